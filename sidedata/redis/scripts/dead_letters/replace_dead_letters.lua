-- Replace the dead letters by a copy that lacks the purged ones.
--
-- KEYS  1 dead letters, 2 the copy; missing: no dead letter stays
-- ARGV  1 the number of dead letters when they were copied, 2 the id of the newest
-- Reply 1, or 0 if the dead letters have changed since
--
-- Atomic, because a dead letter that is replayed between the check and the renaming would come back.
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if redis.call('XLEN', KEYS[1]) ~= tonumber(ARGV[1]) or (newest[1] and newest[1][1] or '') ~= ARGV[2] then return 0 end
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('PERSIST', KEYS[2])
  redis.call('RENAME', KEYS[2], KEYS[1])
else
  redis.call('DEL', KEYS[1])
end
return 1
