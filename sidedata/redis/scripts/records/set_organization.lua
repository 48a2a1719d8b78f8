-- Set an organization's reporting time zone.
--
-- KEYS  1 the organization's record, 2 cursor
-- ARGV  1 zone's name
-- Reply {"ok"} | {"fixed", zone} it has events in another zone
--
-- Atomic, because a commit between the check and the write could bring the first events, whose buckets have the old zone's edges.
-- The revision in `records` tells a worker with a cached record to read it again: every commit checks it.
local stored = redis.call('HMGET', KEYS[1], 'timezone', 'has_events')
local zone = stored[1] or 'UTC'
if stored[2] == '1' and zone ~= ARGV[1] then return {'fixed', zone} end
redis.call('HINCRBY', KEYS[2], 'records', 1)
redis.call('HSET', KEYS[1], 'timezone', ARGV[1])
return {'ok'}
