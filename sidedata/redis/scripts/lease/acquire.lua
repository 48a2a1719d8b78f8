-- Take the lease of a partition, a free one or by force.
--
-- KEYS  1 cursor, 2 lease
-- ARGV  1 worker, 2 length of the lease (ms), 3 "force" takes the partition from its owner, whose next commit is then refused
--       and `forced` in the cursor has the fence of that, so that the owner can tell a command's work from a failure,
--       4 a time in seconds for which processes of a version without tables of zones may go on, after such a version owned it
-- Reply {} if another worker owns it, else the cursor's fields and values, the new fence among them
--
-- Atomic, because another worker may take the lease between the check and the write. The fence only ever grows: an owner that
-- was frozen past its lease finds another number at its commit and so learns that it has lost the partition. The fence is the
-- time in microseconds where it can be, so that one lost in a crash of Redis is never given out again. DEL comes first because
-- Redis then lets the rest run at `maxmemory`, too: a backlog that fills Redis needs an owner to be drained.
local owner = redis.call('GET', KEYS[2])
if owner and owner ~= ARGV[1] and ARGV[3] ~= 'force' then return {} end
redis.call('DEL', KEYS[2])
local time = redis.call('TIME')
local stored = redis.call('HMGET', KEYS[1], 'fence', 'zones', 'former_until')
local before = tonumber(stored[1] or '0')
local fence = string.format('%.0f', math.max(before + 1, time[1] * 1000000 + time[2]))
redis.call('HSET', KEYS[1], 'fence', fence)
if ARGV[3] == 'force' then redis.call('HSET', KEYS[1], 'forced', fence) end
-- Such a version has left a fence and no release of zones.
if not stored[3] then
  local former_until = stored[1] and not stored[2] and time[1] + ARGV[4] or 0
  redis.call('HSET', KEYS[1], 'former_until', string.format('%.0f', former_until))
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return redis.call('HGETALL', KEYS[1])
