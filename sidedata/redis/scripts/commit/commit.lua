-- Apply one batch of a partition: everything that its events do, or nothing.
--
-- KEYS  1 cursor, 2 lease, 3 events stream, 4 dead letters; then every other key, which operations name by its index.
-- ARGV  1 the batch, a map in MessagePack:
--         worker, fence (text)     the owner; `fence` is the proof that it still owns the partition
--         entry_before, entry      the cursor before and after the batch
--         trimming                 option and value of XTRIM: the entries up to the cursor leave the stream
--         records (text)           revision of the records that the batch was planned on
--         valid_until_ms           the plan holds until then
--         lease_ms                 length of a lease
--         events                   number of events applied
--         now                      time of the batch, RFC 3339
--         oldest_dead_letter       the oldest dead letter that stays (stream id)
--         dead_letter_expiry       expiry of the indexes of dead letters
--         dead_letter_limit        the number of dead letters that stay
--         shadow_expiry            expiry of a shadow's keys, whatever the operations say (0: live keys)
--         shadow_prefix            the prefix of a shadow's keys
--         hours                    hours that get page views: the key of its visitors, the key of its day's counts, the field there, …
--         operations               one flat list: each operation is its name and its arguments (below), a list among them its length
--                                  and its values. Keys are indexes in KEYS. A table for each would cost as much as a command.
--         binaries                 number of binary values
--       then these values, to which operations give their numbers; then dead letters: number of values, the key of its organization's index (0: none), then field and value of each. They hold arbitrary bytes, and Redis reads no
--       binary values in MessagePack. Expiries are seconds since the epoch, 0 for none.
-- Reply {"ok", revision, dead letters dropped, 1, or 0 if the account has no right to append} | {"fenced"} another owner came | {"moved", cursor} applied already |
--       {"stale"} the state that the batch was planned on has changed, plan again.
--
-- Atomic, because a crash between cursor and counters would lose or repeat events, and a reader in between would see half a
-- batch. Redis doesn't roll a script back, so all checks come first, and the first write is one that frees memory: Redis then
-- lets the whole script run even at `maxmemory`. So a backlog that fills Redis is drained, where a refusal would keep it full.
local call, unpack = redis.call, unpack
local batch = cmsgpack.unpack(ARGV[1])
local KEYS, steps = KEYS, batch.operations
local cursor, lease = KEYS[1], KEYS[2]
local shadow_expiry, shadow_prefix = batch.shadow_expiry, batch.shadow_prefix
local time = call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = call('HMGET', cursor, 'fence', 'entry', 'records', 'revision')
if stored[1] ~= batch.fence then return {'fenced'} end
if (stored[2] or '0-0') ~= batch.entry_before then return {'moved', stored[2] or '0-0'} end
if (stored[3] or '0') ~= batch.records or now_ms >= batch.valid_until_ms then return {'stale'} end

-- An hour whose count is stored while its sketch has expired is sealed: adding to it would make the count wrong.
local hours = batch.hours
for first = 1, #hours, 3000 do
  local last, sketches = math.min(first + 2997, #hours - 2), {}
  for at = first, last, 3 do sketches[#sketches + 1] = KEYS[hours[at]] end
  if call('EXISTS', unpack(sketches)) < #sketches then
    for at = first, last, 3 do
      local is_stored = call('HEXISTS', KEYS[hours[at + 1]], hours[at + 2]) == 1 -- rarely, in an import
      if is_stored and call('EXISTS', KEYS[hours[at]]) == 0 then return {'stale'} end
    end
  end
end

-- A revision is the commit's time in microseconds, so that one lost in a crash of Redis is never given out again.
local revision = string.format('%.0f', math.max(tonumber(stored[4] or '0') + 1, time[1] * 1000000 + time[2]))
call('XTRIM', KEYS[3], unpack(batch.trimming))
call('HSET', cursor, 'entry', batch.entry, 'revision', revision)
call('HINCRBY', cursor, 'events', batch.events)
if call('GET', lease) == batch.worker then call('PEXPIRE', lease, batch.lease_ms) end

local MOST = 1000 -- values to one unpack(): Lua's stack holds a few thousand

local function expire(key, expiry)
  if shadow_expiry ~= 0 and string.sub(key, 1, #shadow_prefix) == shadow_prefix then expiry = shadow_expiry end
  if expiry ~= 0 then call('EXPIREAT', key, expiry) end
end

-- command key value…, of the values `first` to `last` in the steps, in slices; the sum of its replies
local function many(command, key, first, last)
  local sum = 0
  while first <= last do
    local to = last - first < MOST and last or first + MOST - 1
    sum = sum + call(command, key, unpack(steps, first, to))
    first = to + 1
  end
  return sum
end

-- Each function gets the position of its first argument and returns the position behind its last one.
local apply = {}

-- add elements to HyperLogLogs: base, number, elements, number, key, expiry, counts, field, …; store a changed count in a field of
-- the hash `counts` (0: nowhere). Keys count from the base. A key that follows itself has a second hash for its count.
function apply.sketch(at)
  local base, first, last = steps[at], at + 2, at + 1 + steps[at + 1]
  local targets_end = last + 1 + steps[last + 1]
  local key, changed
  for target = last + 2, targets_end, 4 do
    local expiry, counts = steps[target + 1], steps[target + 2]
    if KEYS[base + steps[target]] ~= key then
      key = KEYS[base + steps[target]]
      changed = many('PFADD', key, first, last) > 0
    end
    if changed and counts ~= 0 then
      call('HSET', KEYS[base + counts], steps[target + 3], call('PFCOUNT', key))
    end
    if expiry ~= 0 then expire(key, expiry) end
  end
  return targets_end + 1
end

-- increment fields of hashes: base, number, key, expiry, …, number, field, increment, …; keys count from the base
function apply.increment(at)
  local base, keys_end = steps[at], at + 1 + steps[at + 1]
  local last = keys_end + 1 + steps[keys_end + 1]
  for target = at + 2, keys_end, 2 do
    local key = KEYS[base + steps[target]]
    for field = keys_end + 2, last, 2 do
      call('HINCRBY', key, steps[field], steps[field + 1])
    end
    expire(key, steps[target + 1])
  end
  return last + 1
end

-- set fields of a hash: key, expiry, number, field, value, …
function apply.put(at)
  local key, last = KEYS[steps[at]], at + 2 + steps[at + 2]
  many('HSET', key, at + 3, last)
  expire(key, steps[at + 1])
  return last + 1
end

-- delete fields of a hash: key, number, fields
function apply.delete_fields(at)
  local last = at + 1 + steps[at + 1]
  many('HDEL', KEYS[steps[at]], at + 2, last)
  return last + 1
end

-- add integers, as text, to a set: key, expiry, number, members
function apply.add_members(at)
  local key, last = KEYS[steps[at]], at + 2 + steps[at + 2]
  many('SADD', key, at + 3, last)
  expire(key, steps[at + 1])
  return last + 1
end

-- set a string: key, expiry, value
function apply.set(at)
  call('SET', KEYS[steps[at]], steps[at + 2])
  expire(KEYS[steps[at]], steps[at + 1])
  return at + 3
end

-- append to a string: key, expiry, number of the value. It is no reason to fail halfway that the account lacks this right, because
-- a string that is too short is not used.
local appended = 1
function apply.append(at)
  if type(redis.pcall('APPEND', KEYS[steps[at]], ARGV[1 + steps[at + 2]])) == 'number' then
    expire(KEYS[steps[at]], steps[at + 1])
  else
    appended = 0
  end
  return at + 3
end

-- delete a key and set another string: key, the other key, expiry, number of the value
function apply.replace(at)
  call('DEL', KEYS[steps[at]])
  call('SET', KEYS[steps[at + 1]], ARGV[1 + steps[at + 3]])
  expire(KEYS[steps[at + 1]], steps[at + 2])
  return at + 4
end

-- record the newest events of workflows: key, number, µs and workflow, …
function apply.list_workflows(at)
  local last = at + 1 + steps[at + 1]
  for first = at + 2, last, MOST do
    call('ZADD', KEYS[steps[at]], 'GT', unpack(steps, first, math.min(first + MOST - 1, last)))
  end
  return last + 1
end

-- record the changes of a workflow's buckets: its record, a kind that this may lack ('' for none), its log of changes, the log's
-- expiry (0: the log exists and has it already), the number of changes that stay (0: the log can't be too long), the number of
-- changes that are left out because they would not stay, number, changes
function apply.change_workflow(at)
  local record, kind, log, expiry, most = KEYS[steps[at]], steps[at + 1], KEYS[steps[at + 2]], steps[at + 3], steps[at + 4]
  local left_out = steps[at + 5]
  -- A record that is new, maybe after a purge, has a log that misses all earlier changes.
  if expiry ~= 0 and call('EXISTS', log) == 0 then
    call('HSET', record, 'changes_from', call('HGET', record, 'revision') or revision)
  end
  if kind ~= '' then call('HSETNX', record, 'kind', kind) end
  -- By the fence, readers recognise revisions of another owner, which may have committed changes that a crash or a failover
  -- has lost since.
  call('HSET', record, 'revision', revision, 'fence', batch.fence)
  local first, last = at + 7, at + 6 + steps[at + 6]
  for from = first, last, MOST / 2 do
    local scored = {}
    for change = from, math.min(from + MOST / 2 - 1, last) do
      scored[#scored + 1] = revision
      scored[#scored + 1] = steps[change]
    end
    call('ZADD', log, unpack(scored))
  end
  local surplus = most > 0 and call('ZCARD', log) - most or 0
  if surplus > 0 then
    local newest_dropped = call('ZRANGE', log, surplus - 1, surplus - 1, 'WITHSCORES')
    call('HSET', record, 'changes_from', string.format('%.0f', tonumber(newest_dropped[2])))
    call('ZREMRANGEBYRANK', log, 0, surplus - 1)
  end
  if left_out > 0 then call('HSET', record, 'changes_from', revision) end
  expire(log, expiry)
  return last + 1
end

-- record, in an organization's record, that the name of one of its goals has changed
function apply.change_names(at)
  call('HSET', KEYS[steps[at]], 'names', revision)
  return at + 1
end

local at, size = 1, #steps
while at <= size do at = apply[steps[at]](at + 1) end

-- The indexes of dead letters lack those of an older version, and any that can't be written. The cursor tells which letters may be
-- missing: those up to `dead_unindexed`, and those behind `dead_indexed`, the newest letter that this script has looked at.
local dead_letters, newest, unindexed = 0, nil, nil
at = 2 + batch.binaries
local indexed = at <= #ARGV and call('HGET', cursor, 'dead_indexed')
local foreign = at <= #ARGV and #call('XRANGE', KEYS[4], indexed and '(' .. indexed or '-', '+', 'COUNT', 1) > 0
while at <= #ARGV do
  local id = call('XADD', KEYS[4], '*', 'at', batch.now, unpack(ARGV, at + 2, at + 1 + ARGV[at]))
  if foreign and not newest then
    -- The id before this one: a worker has no right to ask for the newest letter.
    local ms, number = string.match(id, '(%d+)-(%d+)')
    if number == '0' then
      unindexed = string.format('%.0f-18446744073709551615', ms - 1)
    else
      unindexed = string.format('%s-%.0f', ms, number - 1)
    end
  end
  local index = KEYS[tonumber(ARGV[at + 1])]
  -- The index only speeds up a listing, so its failure is no reason to fail halfway: the account may lack the right, and the
  -- index may be ahead where a clock was set back.
  if index then
    if redis.pcall('XADD', index, 'MAXLEN', '~', batch.dead_letter_limit, id, 'id', '')['err'] then
      unindexed = id
    else
      call('EXPIREAT', index, batch.dead_letter_expiry)
    end
  end
  newest = id
  dead_letters = dead_letters + 1
  at = at + 2 + ARGV[at]
end

if newest then call('HSET', cursor, 'dead_indexed', newest) end
if unindexed then call('HSET', cursor, 'dead_unindexed', unindexed) end

if shadow_expiry ~= 0 then
  for _, key in ipairs(KEYS) do expire(key, 0) end -- live keys stay as they are: ids, the cursor that counts them
end

local dropped = call('XTRIM', KEYS[4], 'MINID', batch.oldest_dead_letter)
if dead_letters > 0 then dropped = dropped + call('XTRIM', KEYS[4], 'MAXLEN', batch.dead_letter_limit) end
return {'ok', revision, dropped, appended}
