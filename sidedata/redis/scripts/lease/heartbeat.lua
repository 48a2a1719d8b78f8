-- Register a worker as alive, or as gone, and list the live ones.
--
-- KEYS  1 workers
-- ARGV  1 worker, 2 time for which a heartbeat counts (ms), 3 "leave" takes the worker off the list
-- Reply the live workers, in alphabetical order
--
-- Redis's clock is used throughout, so that workers with wrong clocks still agree on the list.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
if ARGV[3] == 'leave' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], now, ARGV[1])
  redis.call('PEXPIRE', KEYS[1], 60000)
end
local alive = redis.call('ZRANGE', KEYS[1], 0, -1)
table.sort(alive)
return alive
