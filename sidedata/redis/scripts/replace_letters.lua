-- Put a copy of the dead letters, without those that a purge leaves out, in their place.
--
-- KEYS  1 dead letters, 2 the copy; missing: none stays
-- ARGV  1 how many letters there were when they were copied, 2 the id of the newest
-- Reply 1, or 0 if the letters have changed since
--
-- Atomic, because a letter that is sent again between looking and renaming would come back.
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if redis.call('XLEN', KEYS[1]) ~= tonumber(ARGV[1]) or (newest[1] and newest[1][1] or '') ~= ARGV[2] then return 0 end
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('PERSIST', KEYS[2])
  redis.call('RENAME', KEYS[2], KEYS[1])
else
  redis.call('DEL', KEYS[1])
end
return 1
