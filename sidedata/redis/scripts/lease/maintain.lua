-- Measure the lag of a partition, and drop its dead letters that are too old.
--
-- KEYS  1 events stream, 2 dead letters
-- ARGV  1 time for which dead letters are kept (ms)
-- Reply {entries not yet applied, age of the oldest of them (ms), dead letters dropped}
--
-- One script, because Redis's clock decides: a worker whose own clock jumps must not drop dead letters.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest, age = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1), 0
if #oldest > 0 then age = math.max(0, now - tonumber(string.match(oldest[1][1], '^%d+'))) end
local dropped = redis.call('XTRIM', KEYS[2], 'MINID', string.format('%.0f-0', math.max(0, now - ARGV[1])))
return {redis.call('XLEN', KEYS[1]), age, dropped}
