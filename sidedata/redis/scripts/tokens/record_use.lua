-- Record that a token was used, once a minute at most.
--
-- KEYS  1 tokens' last uses
-- ARGV  1 the token's id, 2 now (s), 3 least time between two writes (s)
-- Reply 1, or 0 if a later or a recent use is recorded already
--
-- Atomic, so that many processes with one token write once.
local last = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
if tonumber(ARGV[2]) - last < tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
