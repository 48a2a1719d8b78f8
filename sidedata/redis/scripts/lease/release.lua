-- Give a partition up, so that another worker can take it at once.
--
-- KEYS  1 cursor, 2 lease
-- ARGV  1 worker, 2 fence
-- Reply 1, or 0 if the partition has another owner already
--
-- Atomic, because the lease may have passed to another worker, or to a later lease of the same one, since the last look.
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[2] or redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[2])
