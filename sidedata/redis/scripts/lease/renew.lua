-- Renew the lease of a partition.
--
-- KEYS  1 cursor, 2 lease
-- ARGV  1 worker, 2 length of the lease (ms), 3 fence
-- Reply 1, or 0 if another owner came in the meantime
--
-- Atomic, because a lease that ran out may be renewed only while no other worker took it: the fence tells.
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[3] then return 0 end
redis.call('PEXPIRE', KEYS[2], ARGV[2]) -- needs no memory: Redis then lets SET run at `maxmemory`, too
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 1
