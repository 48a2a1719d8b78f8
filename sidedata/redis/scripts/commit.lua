-- Apply one batch of a partition: everything that its events do, or nothing.
--
-- KEYS  1 cursor, 2 lease, 3 events stream, 4 dead letters; then every other key that an operation names by its index.
-- ARGV  1 worker, 2 fence, 3 cursor before, 4 cursor after, 5 first entry that stays, 6 records revision, 7 valid until (ms),
--       8 lease (ms), 9 events applied, 10 oldest dead letter kept (stream id), 11 most dead letters kept, 12 now as text;
--       13 operations in MessagePack: a list each of a name and its arguments (below), keys by their index in KEYS;
--       14 when keys of a shadow expire, whatever the operations say (0: it is none); then dead letters: number of values, then
--       field and value of each. Expiries are seconds since the epoch, 0 for none.
-- Reply {"ok", revision, dead letters dropped} | {"fenced"} another owner came | {"moved", cursor} applied already |
--       {"stale"} what the batch was planned on has changed, plan again.
--
-- Atomic, because a crash between cursor and counters would lose or repeat events, and a reader in between would see half a
-- batch. Redis doesn't roll a script back, so all checks come first, and the first write is one that frees memory: Redis then
-- lets the whole script run though it be at `maxmemory`. So a backlog that fills Redis is drained, where a refusal would keep
-- it full for ever.
local cursor, lease = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('HMGET', cursor, 'fence', 'entry', 'records', 'revision')
if stored[1] ~= ARGV[2] then return {'fenced'} end
if (stored[2] or '0-0') ~= ARGV[3] then return {'moved', stored[2] or '0-0'} end
local steps = cmsgpack.unpack(ARGV[13])
if (stored[3] or '0') ~= ARGV[6] or now_ms >= tonumber(ARGV[7]) then return {'stale'} end

-- An hour whose count is stored while its sketch has gone is sealed: adding to it would make the count wrong.
local hours, sealable = {}, {}
for _, step in ipairs(steps) do
  local targets = step[1] == 'sketch' and step[3] or {}
  for at = 1, #targets, 4 do
    if string.sub(targets[at + 3], 1, 9) == 'visitors@' then
      hours[#hours + 1] = KEYS[targets[at]]
      sealable[#sealable + 1] = {KEYS[targets[at + 2]], targets[at + 3]}
    end
  end
end
for first = 1, #hours, 1000 do
  local last = math.min(first + 999, #hours)
  if redis.call('EXISTS', unpack(hours, first, last)) <= last - first then
    for at = first, last do
      if redis.call('EXISTS', hours[at]) == 0 and redis.call('HEXISTS', unpack(sealable[at])) == 1 then return {'stale'} end
    end
  end
end

-- A revision is the commit's time in microseconds, so that one lost in a crash of Redis is never given out again.
local revision = string.format('%.0f', math.max(tonumber(stored[4] or '0') + 1, time[1] * 1000000 + time[2]))
redis.call('XTRIM', KEYS[3], 'MINID', ARGV[5])
redis.call('HSET', cursor, 'entry', ARGV[4], 'revision', revision)
redis.call('HINCRBY', cursor, 'events', ARGV[9])
if redis.call('GET', lease) == ARGV[1] then redis.call('PEXPIRE', lease, ARGV[8]) end

local call, unpack = redis.call, unpack
local MOST = 1000 -- values to one unpack(): Lua's stack holds a few thousand

local function expire(key, when)
  if ARGV[14] ~= '0' and string.find(key, ':rebuild:', 1, true) then when = ARGV[14] end
  if when ~= 0 then call('EXPIREAT', key, when) end
end

-- command key value…, in slices; the sum of its replies
local function many(command, key, values)
  local sum = 0
  for first = 1, #values, MOST do
    sum = sum + call(command, key, unpack(values, first, math.min(first + MOST - 1, #values)))
  end
  return sum
end

local operations = {}

-- add elements to HyperLogLogs: key, expiry, counts, field, …; store what changed in a field of the hash `counts` (0: nowhere)
function operations.sketch(elements, targets)
  for at = 1, #targets, 4 do
    local key, counts = KEYS[targets[at]], targets[at + 2]
    if many('PFADD', key, elements) > 0 and counts ~= 0 then
      call('HSET', KEYS[counts], targets[at + 3], call('PFCOUNT', key))
    end
    expire(key, targets[at + 1])
  end
end

-- increment fields of a hash: field, increment, …
function operations.add(key, expiry, increments)
  for place = 1, #increments, 2 do
    call('HINCRBY', KEYS[key], increments[place], increments[place + 1])
  end
  expire(KEYS[key], expiry)
end

-- set fields of a hash: field, value, …
function operations.put(key, expiry, values)
  many('HSET', KEYS[key], values)
  expire(KEYS[key], expiry)
end

-- delete fields of a hash
function operations.drop(key, fields)
  many('HDEL', KEYS[key], fields)
end

-- add integers, as text, to a set
function operations.remember(key, expiry, members)
  many('SADD', KEYS[key], members)
  expire(KEYS[key], expiry)
end

-- set a string
function operations.set(key, expiry, value)
  call('SET', KEYS[key], value)
  expire(KEYS[key], expiry)
end

-- note when the newest events of workflows were: µs and workflow, …
function operations.list(key, newest)
  for first = 1, #newest, MOST do
    call('ZADD', KEYS[key], 'GT', unpack(newest, first, math.min(first + MOST - 1, #newest)))
  end
end

-- note that buckets of a workflow changed: a kind that its record may lack ('' for none), its log of changes, the log's expiry
-- (0: it is there, and lives as long), how many changes to keep (0: it can't be too long), changes
function operations.workflow(record, kind, changes, expiry, most, changed)
  record, changes = KEYS[record], KEYS[changes]
  -- A record that is new, maybe after a purge, has a log that knows nothing of what came before.
  if expiry ~= 0 and call('EXISTS', changes) == 0 then
    call('HSET', record, 'changes_from', call('HGET', record, 'revision') or revision)
  end
  if kind ~= '' then call('HSETNX', record, 'kind', kind) end
  -- The fence tells readers of another owner's revisions, who may have committed what a crash or a failover has lost since.
  call('HSET', record, 'revision', revision, 'fence', ARGV[2])
  local scored = {}
  for place = 1, #changed do
    scored[2 * place - 1], scored[2 * place] = revision, changed[place]
  end
  many('ZADD', changes, scored)
  local surplus = most > 0 and call('ZCARD', changes) - most or 0
  if surplus > 0 then
    local newest_gone = call('ZRANGE', changes, surplus - 1, surplus - 1, 'WITHSCORES')
    call('HSET', record, 'changes_from', string.format('%.0f', tonumber(newest_gone[2])))
    call('ZREMRANGEBYRANK', changes, 0, surplus - 1)
  end
  expire(changes, expiry)
end

-- note in an organization's record that a goal of it goes by another name now
function operations.renamed(organization)
  call('HSET', KEYS[organization], 'names', revision)
end

for _, step in ipairs(steps) do
  operations[step[1]](unpack(step, 2))
end

local at, letters = 15, 0
while at <= #ARGV do
  call('XADD', KEYS[4], '*', 'at', ARGV[12], unpack(ARGV, at + 1, at + ARGV[at]))
  letters = letters + 1
  at = at + 1 + ARGV[at]
end

if ARGV[14] ~= '0' then
  for _, key in ipairs(KEYS) do expire(key, 0) end -- live ones stay as they are: remembered ids, the cursor that counts them
end

local dropped = call('XTRIM', KEYS[4], 'MINID', ARGV[10])
if letters > 0 then dropped = dropped + call('XTRIM', KEYS[4], 'MAXLEN', ARGV[11]) end
return {'ok', revision, dropped}
