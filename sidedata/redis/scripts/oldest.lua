-- How old the oldest entry of an ingest stream is. Reads only.
--
-- KEYS  1 events stream
-- Reply age (ms), -1 where no entry waits
--
-- A script, because an entry may be a megabyte and only its id is wanted, and because Redis's own clock gave that id.
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
if #oldest == 0 then return -1 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return math.max(0, now - tonumber(string.match(oldest[1][1], '^%d+')))
