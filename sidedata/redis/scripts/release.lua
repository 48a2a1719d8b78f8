-- Give a partition up, so that another worker can take it at once.
--
-- KEYS  1 cursor, 2 lease
-- ARGV  1 worker, 2 fence
-- Reply 1, or 0 if it was somebody else's already
--
-- Atomic, because the lease may have passed to another worker, or to another life of this one, since we looked.
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[2] or redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[2])
