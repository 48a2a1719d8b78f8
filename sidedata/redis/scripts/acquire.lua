-- Take a partition that nobody owns, or take it away.
--
-- KEYS  1 cursor, 2 lease
-- ARGV  1 worker, 2 lease (ms), 3 "force" takes the partition from its owner, whose next commit is then refused
-- Reply {} if somebody owns it, else the cursor's fields and values, the new fence among them
--
-- Atomic, because between looking and taking another worker may have taken it. The fence only ever grows: an owner that was
-- frozen past its lease finds another number at its commit and knows that it is none any more. It is the time in microseconds
-- where it can be, so that one lost in a crash of Redis is never given out again. DEL comes first because Redis then lets the
-- rest run at `maxmemory`, too: a backlog that fills it needs an owner to be drained.
local owner = redis.call('GET', KEYS[2])
if owner and owner ~= ARGV[1] and ARGV[3] ~= 'force' then return {} end
redis.call('DEL', KEYS[2])
local time = redis.call('TIME')
local before = tonumber(redis.call('HGET', KEYS[1], 'fence') or '0')
redis.call('HSET', KEYS[1], 'fence', string.format('%.0f', math.max(before + 1, time[1] * 1000000 + time[2])))
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return redis.call('HGETALL', KEYS[1])
