-- Store another table of a zone's offsets in an organization's record, where no bucket has to change for it.
--
-- KEYS  1 cursor, 2 the organization's record
-- ARGV  1 fence, 2 the zone's name, 3 the table that is stored ("" for none), 4 the new table,
--       5 the cut before it, as the record holds it ("" leaves the record's)
-- Reply "ok" | "fenced" another owner came | "stale" zone or table were changed meanwhile, or the organization was purged
--
-- Atomic, because the table was decided on by the stored one, and only the partition's owner may change it. The revision in
-- `records` makes the owner read the record again; `names`, the revision of names of goals, tells readers that poll it.
local call = redis.call
if call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return 'fenced' end
local record = call('HMGET', KEYS[2], 'timezone', 'rules', 'names')
if (record[1] or 'UTC') ~= ARGV[2] or (record[2] or '') ~= ARGV[3] then return 'stale' end
if call('EXISTS', KEYS[2]) == 0 then return 'stale' end
local time = call('TIME')
local names = string.format('%.0f', math.max(tonumber(record[3] or '0') + 1, time[1] * 1000000 + time[2]))
call('HINCRBY', KEYS[1], 'records', 1)
call('HSET', KEYS[2], 'rules', ARGV[4], 'names', names)
if ARGV[5] ~= '' then call('HSET', KEYS[2], 'former', ARGV[5]) end
return 'ok'
