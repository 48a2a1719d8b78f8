-- Register an organization, and its name if one is given.
--
-- KEYS  1 the organization's record
-- ARGV  1 "named" if a name is given, 2 the name, "" for none
-- Reply nothing
--
-- Atomic, because a zone that is set between the check and the write would be lost.
if not redis.call('HGET', KEYS[1], 'timezone') then redis.call('HSET', KEYS[1], 'timezone', 'UTC') end
if ARGV[1] == 'named' then redis.call('HSET', KEYS[1], 'name', ARGV[2]) end
