-- Run the next step of a swap.
--
-- KEYS  1 cursor, 2 lease, 3 the remaining steps (keys that a step names have their hash tag)
-- ARGV  1 worker, 2 fence, 3 length of the lease (ms)
-- Reply {"ok", number of remaining steps} | {"fenced"} another owner came | {"missing"} the shadow has expired
--
-- A step is MessagePack: the prefix of the shadow's keys, the prefix of live keys, then lists: names to delete; names to
-- move, each followed by its expiry (seconds since the epoch); of each workflow its record's key, its log's key, the key of the
-- list of workflows, its id and its newest event (µs); of the organization, if its record changes, the record's key and the
-- fields and values to set, where "" deletes a field; and names of live keys to keep, and the expiry that these have at the latest
-- (both lack in a step of an older version).
--
-- Atomic, because a reader must not see half a workflow, and a step must not run twice: it leaves the list in the same
-- instant. All checks come first. Keys are looked up before anything is written, because in a cluster a slot may be in
-- migration: then the first key that has left is an error that stops the script before it has changed anything.
local call, unpack = redis.call, unpack
local cursor, lease, steps = KEYS[1], KEYS[2], KEYS[3]
local worker, fence, lease_ms = ARGV[1], ARGV[2], ARGV[3]
local stored = call('HMGET', cursor, 'fence', 'revision')
if stored[1] ~= fence then return {'fenced'} end
local packed = call('LINDEX', steps, 0)
if not packed then return {'missing'} end
local from, to, deletions, moves, workflows, organization, leftovers, latest = unpack(cmsgpack.unpack(packed))

-- command key…, in slices, because Lua's stack holds a few thousand; the sum of its replies
local function many(command, keys)
  local sum = 0
  for first = 1, #keys, 1000 do
    sum = sum + call(command, unpack(keys, first, math.min(first + 999, #keys)))
  end
  return sum
end

local old, kept, sources, targets = {}, {}, {}, {}
for at, name in ipairs(deletions) do old[at] = to .. name end
for at, name in ipairs(leftovers or {}) do kept[at] = to .. name end
for at = 1, #moves, 2 do
  sources[#sources + 1], targets[#targets + 1] = from .. moves[at], to .. moves[at]
end
many('EXISTS', old)
many('EXISTS', kept)
many('EXISTS', targets)
if many('EXISTS', sources) < #sources then return {'missing'} end

call('LPOP', steps) -- frees memory, so that Redis lets the rest run at `maxmemory`, too
if call('GET', lease) == worker then call('PEXPIRE', lease, lease_ms) end
many('DEL', old)
for at = 1, #sources do
  call('RENAME', sources[at], targets[at])
  call('EXPIREAT', targets[at], moves[2 * at])
end

local time = call('TIME')
for _, key in ipairs(kept) do
  local ttl = call('PTTL', key)
  if ttl == -1 or ttl > (latest - time[1]) * 1000 then call('EXPIREAT', key, latest) end
end
local revision = string.format('%.0f', math.max(tonumber(stored[2] or '0') + 1, time[1] * 1000000 + time[2]))
call('HSET', cursor, 'revision', revision)
for _, workflow in ipairs(workflows) do
  local record, log, list, id, newest = unpack(workflow)
  -- A reader with an older revision finds no change since then, which makes it read everything again.
  call('HSET', record, 'revision', revision, 'changes_from', revision)
  call('DEL', log)
  call('ZADD', list, newest, id)
end
if #organization > 0 then
  call('HSET', organization[1], 'names', revision)
  for at = 2, #organization, 2 do
    local field, value = organization[at], organization[at + 1]
    if value == '' then call('HDEL', organization[1], field) else call('HSET', organization[1], field, value) end
  end
end
local remaining = call('LLEN', steps)
if remaining == 0 then call('HDEL', cursor, 'swap') end
return {'ok', remaining}
