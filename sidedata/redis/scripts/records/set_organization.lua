-- Set an organization's reporting time zone.
--
-- KEYS  1 the organization's record, 2 cursor
-- ARGV  1 zone's name, 2 the table of its offsets
-- Reply {"ok"} | {"fixed", zone} it has events in another zone
--
-- Atomic, because a commit between the check and the write could bring the first events, whose buckets have the old zone's edges.
-- Caches of readers look at `names`, the revision of an organization's names of goals, to learn of a new table.
-- The revision in `records` tells a worker with a cached record to read it again: every commit checks it.
local stored = redis.call('HMGET', KEYS[1], 'timezone', 'has_events')
local zone = stored[1] or 'UTC'
if stored[2] == '1' and zone ~= ARGV[1] then return {'fixed', zone} end
redis.call('HINCRBY', KEYS[2], 'records', 1)
-- An organization with events keeps the table that its buckets were cut by; the partition's owner adopts newer ones.
if stored[2] ~= '1' then
  local time = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'rules', ARGV[2], 'names', string.format('%.0f', time[1] * 1000000 + time[2]))
end
redis.call('HSET', KEYS[1], 'timezone', ARGV[1])
return {'ok'}
