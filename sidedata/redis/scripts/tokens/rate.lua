-- Count a request of a token in the current second.
--
-- KEYS  1 the token's counter of that second
-- ARGV  1 the counter's TTL (s)
-- Reply the requests counted so far, this one included
--
-- Atomic, because a crash between counting and expiring would leave a counter without a TTL.
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return count
