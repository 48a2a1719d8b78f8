-- Read the age of the oldest entry of an ingest stream.
--
-- KEYS  1 events stream
-- Reply age (ms), -1 for an empty stream
--
-- A script, because an entry may have a megabyte and only its id is needed, and because Redis's own clock gave that id.
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
if #oldest == 0 then return -1 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return math.max(0, now - tonumber(string.match(oldest[1][1], '^%d+')))
