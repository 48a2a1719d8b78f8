-- Take a partition that nobody owns, or take it away.
--
-- KEYS  1 cursor, 2 lease
-- ARGV  1 worker, 2 lease (ms), 3 "force" takes the partition from its owner, whose next commit is then refused
-- Reply {} if somebody owns it, else the cursor's fields and values, the new fence among them
--
-- Atomic, because between looking and taking another worker may have taken it. The fence only ever grows: an owner that was
-- frozen past its lease finds another number at its commit and knows that it is none any more.
local owner = redis.call('GET', KEYS[2])
if owner and owner ~= ARGV[1] and ARGV[3] ~= 'force' then return {} end
redis.call('HINCRBY', KEYS[1], 'fence', 1)
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return redis.call('HGETALL', KEYS[1])
