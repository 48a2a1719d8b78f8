-- Take an organization's events out of a stream entry that was not applied yet.
--
-- KEYS  1 stream
-- ARGV  1 the entry's id, 2 a JSON array of what remains of it ("" for nothing)
-- Reply 1, or 0 if the entry has gone
--
-- Atomic, so that what remains is in the stream once, whatever dies in between.
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
if ARGV[2] ~= '' then redis.call('XADD', KEYS[1], '*', 'events', ARGV[2]) end
return 1
