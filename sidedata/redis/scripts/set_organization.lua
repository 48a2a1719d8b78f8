-- Set an organization's reporting time zone.
--
-- KEYS  1 the organization's record, 2 cursor
-- ARGV  1 zone's name
-- Reply {"ok"} | {"fixed", zone} it has events in another zone
--
-- Atomic, because a commit between looking and setting could bring the first events, whose buckets have the old zone's edges.
-- The number of `records` tells a worker that has read the record before that it has to read it again: its commit checks it.
local stored = redis.call('HMGET', KEYS[1], 'timezone', 'has_events')
local zone = stored[1] or 'UTC'
if stored[2] == '1' and zone ~= ARGV[1] then return {'fixed', zone} end
redis.call('HINCRBY', KEYS[2], 'records', 1)
redis.call('HSET', KEYS[1], 'timezone', ARGV[1])
return {'ok'}
