-- Apply one batch of a partition: everything that its events do, or nothing.
--
-- KEYS  1 cursor, 2 lease, 3 events stream, 4 dead letters; then every other key that an operation names by its index.
-- ARGV  1 worker, 2 fence, 3 cursor before, 4 cursor after, 5 first entry that stays, 6 records revision, 7 valid until (ms),
--       8 lease (ms), 9 events applied, 10 oldest dead letter kept (stream id), 11 most dead letters kept, 12 now as text;
--       then operations: a name, then its arguments (below). Expiries are seconds since the epoch.
-- Reply {"ok", revision, dead letters dropped} | {"fenced"} another owner came | {"moved", cursor} applied already |
--       {"stale"} what the batch was planned on has changed, plan again.
--
-- Atomic, because a crash between cursor and counters would lose or repeat events, and a reader in between would see half a
-- batch. Redis doesn't roll a script back, so all checks come first, and the first write is one that Redis refuses when it is
-- out of memory: then nothing has happened.
local cursor, lease = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('HMGET', cursor, 'fence', 'entry', 'records', 'revision')
if stored[1] ~= ARGV[2] then return {'fenced'} end
if (stored[2] or '0-0') ~= ARGV[3] then return {'moved', stored[2] or '0-0'} end
if (stored[3] or '0') ~= ARGV[6] or now_ms >= tonumber(ARGV[7]) then return {'stale'} end

-- A revision is the commit's time in microseconds, so that one lost in a crash of Redis is never given out again.
local revision = string.format('%.0f', math.max(tonumber(stored[4] or '0') + 1, time[1] * 1000000 + time[2]))
redis.call('HSET', cursor, 'entry', ARGV[4], 'revision', revision)
redis.call('HINCRBY', cursor, 'events', ARGV[9])
if redis.call('GET', lease) == ARGV[1] then redis.call('PEXPIRE', lease, ARGV[8]) end

local at, last = 13, #ARGV
local call, unpack = redis.call, unpack
local MOST = 1000 -- values to one unpack(): Lua's stack holds a few thousand
local letters = 0

local function expire(key, when)
  if when ~= '0' then call('EXPIREAT', key, when) end
end

-- command key value…, in slices
local function many(command, key, from, count)
  for first = from, from + count - 1, MOST do
    call(command, key, unpack(ARGV, first, math.min(first + MOST, from + count) - 1))
  end
end

local operations = {}

-- key, expiry, elements of 8 bytes each in one string, key of the counts that store the number (0: none), its field
operations.sketch = function()
  local key, elements, changed = KEYS[tonumber(ARGV[at])], ARGV[at + 2], 0
  for first = 1, #elements, 8 * MOST do
    local batch = {}
    for place = first, math.min(first + 8 * MOST, #elements + 1) - 1, 8 do
      batch[#batch + 1] = string.sub(elements, place, place + 7)
    end
    changed = changed + call('PFADD', key, unpack(batch))
  end
  if changed > 0 and ARGV[at + 3] ~= '0' then
    call('HSET', KEYS[tonumber(ARGV[at + 3])], ARGV[at + 4], call('PFCOUNT', key))
  end
  expire(key, ARGV[at + 1])
  at = at + 5
end

-- key, expiry, number of fields, then field and increment of each
operations.add = function()
  local key, count = KEYS[tonumber(ARGV[at])], tonumber(ARGV[at + 2])
  for place = at + 3, at + 2 + 2 * count, 2 do
    call('HINCRBY', key, ARGV[place], ARGV[place + 1])
  end
  expire(key, ARGV[at + 1])
  at = at + 3 + 2 * count
end

-- key, expiry, number of fields, then field and value of each
operations.put = function()
  local key, count = KEYS[tonumber(ARGV[at])], tonumber(ARGV[at + 2])
  many('HSET', key, at + 3, 2 * count)
  expire(key, ARGV[at + 1])
  at = at + 3 + 2 * count
end

-- key, number of fields, then the fields to delete
operations.drop = function()
  local key, count = KEYS[tonumber(ARGV[at])], tonumber(ARGV[at + 1])
  many('HDEL', key, at + 2, count)
  at = at + 2 + count
end

-- key, expiry, number of members, then the members
operations.remember = function()
  local key, count = KEYS[tonumber(ARGV[at])], tonumber(ARGV[at + 2])
  many('SADD', key, at + 3, count)
  expire(key, ARGV[at + 1])
  at = at + 3 + count
end

-- key, expiry, value
operations.set = function()
  local key = KEYS[tonumber(ARGV[at])]
  call('SET', key, ARGV[at + 2])
  expire(key, ARGV[at + 1])
  at = at + 3
end

-- record, list of workflows, changes, expiry of changes, most changes kept, workflow, kind, newest event (µs),
-- number of buckets, then the buckets that changed
operations.workflow = function()
  local record, changes, most = KEYS[tonumber(ARGV[at])], KEYS[tonumber(ARGV[at + 2])], tonumber(ARGV[at + 4])
  -- A record that is new, maybe after a purge, has a log that knows nothing of what came before.
  local before = call('HGET', record, 'revision') or revision
  call('HSETNX', record, 'kind', ARGV[at + 6])
  call('HSET', record, 'revision', revision)
  call('ZADD', KEYS[tonumber(ARGV[at + 1])], 'GT', ARGV[at + 7], ARGV[at + 5])
  if call('EXISTS', changes) == 0 then call('HSET', record, 'changes_from', before) end
  local count = tonumber(ARGV[at + 8])
  for place = at + 9, at + 8 + count do call('ZADD', changes, revision, ARGV[place]) end
  local surplus = call('ZCARD', changes) - most
  if surplus > 0 then
    local newest = call('ZRANGE', changes, surplus - 1, surplus - 1, 'WITHSCORES')
    call('HSET', record, 'changes_from', string.format('%.0f', tonumber(newest[2])))
    call('ZREMRANGEBYRANK', changes, 0, surplus - 1)
  end
  expire(changes, ARGV[at + 3])
  at = at + 9 + count
end

-- organization's record
operations.renamed = function()
  call('HSET', KEYS[tonumber(ARGV[at])], 'names', revision)
  at = at + 1
end

-- number of values, then field and value of each
operations.letter = function()
  local count = tonumber(ARGV[at])
  call('XADD', KEYS[4], '*', 'at', ARGV[12], unpack(ARGV, at + 1, at + count))
  letters = letters + 1
  at = at + 1 + count
end

while at <= last do
  local operation = operations[ARGV[at]]
  at = at + 1
  operation()
end

call('XTRIM', KEYS[3], 'MINID', ARGV[5])
local dropped = 0
if letters > 0 then
  dropped = call('XTRIM', KEYS[4], 'MINID', ARGV[10]) + call('XTRIM', KEYS[4], 'MAXLEN', ARGV[11])
end
return {'ok', revision, dropped}
