-- Do the next step of a swap.
--
-- KEYS  1 cursor, 2 lease, 3 the steps that are left (keys that a step names have their hash tag)
-- ARGV  1 worker, 2 fence, 3 lease (ms)
-- Reply {"ok", steps left} | {"fenced"} another owner came | {"missing"} what was rebuilt is not there any more
--
-- A step is MessagePack: what keys of the shadow begin with, what live ones begin with, then lists: names to delete; names to
-- move, each followed by its expiry (seconds since the epoch); of each workflow its record's key, its log's key, the key of the
-- list of workflows, its id and its newest event (µs); and of the organization, in the last step, its record's key and the
-- fields and values to set.
--
-- Atomic, because a reader must not see half a workflow, and a step must not be done twice: it leaves the list in the same
-- instant. All checks come first. Keys are looked at before anything is written, because in a cluster a slot may be on its
-- way to another node: then the first one that has left is an error that stops the script while nothing is changed yet.
local call, unpack = redis.call, unpack
local cursor, lease, steps = KEYS[1], KEYS[2], KEYS[3]
local stored = call('HMGET', cursor, 'fence', 'revision')
if stored[1] ~= ARGV[2] then return {'fenced'} end
local packed = call('LINDEX', steps, 0)
if not packed then return {'missing'} end
local from, to, gone, moved, workflows, organization = unpack(cmsgpack.unpack(packed))

-- command key…, in slices, because Lua's stack holds a few thousand; the sum of its replies
local function many(command, keys)
  local sum = 0
  for first = 1, #keys, 1000 do
    sum = sum + call(command, unpack(keys, first, math.min(first + 999, #keys)))
  end
  return sum
end

local old, sources, targets = {}, {}, {}
for place, name in ipairs(gone) do old[place] = to .. name end
for place = 1, #moved, 2 do
  sources[#sources + 1], targets[#targets + 1] = from .. moved[place], to .. moved[place]
end
many('EXISTS', old)
many('EXISTS', targets)
if many('EXISTS', sources) < #sources then return {'missing'} end

call('LPOP', steps) -- frees memory, so that Redis lets the rest run at `maxmemory`, too
if call('GET', lease) == ARGV[1] then call('PEXPIRE', lease, ARGV[3]) end
many('DEL', old)
for place = 1, #sources do
  call('RENAME', sources[place], targets[place])
  call('EXPIREAT', targets[place], moved[2 * place])
end

local time = call('TIME')
local revision = string.format('%.0f', math.max(tonumber(stored[2] or '0') + 1, time[1] * 1000000 + time[2]))
call('HSET', cursor, 'revision', revision)
for _, workflow in ipairs(workflows) do
  local record, changes, list, id, newest = unpack(workflow)
  -- Who knows an older revision finds no change since: that is the sign to read all anew.
  call('HSET', record, 'revision', revision, 'changes_from', revision)
  call('DEL', changes)
  call('ZADD', list, newest, id)
end
if #organization > 0 then
  call('HSET', organization[1], 'names', revision, unpack(organization, 2))
end
local left = call('LLEN', steps)
if left == 0 then call('HDEL', cursor, 'swap') end
return {'ok', left}
