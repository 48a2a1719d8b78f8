-- Read the time as of which everything that entered an ingest stream is applied.
--
-- KEYS  1 events stream
-- Reply {that time (ms), Redis's present (ms)}
--
-- Both are of one instant and of the clock that gave the entries their ids. An entry leaves the stream with the commit that applies
-- it; several entries may share a millisecond, so the time ends before that of the oldest. A script, because an entry may have a
-- megabyte and only its id is needed.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
if #oldest == 0 then return {now, now} end
return {math.min(now, tonumber(string.match(oldest[1][1], '^%d+')) - 1), now}
