-- Remove an organization's events from a stream entry that is not applied yet.
--
-- KEYS  1 stream
-- ARGV  1 the entry's id, 2 a JSON array of the remaining events ("" for none)
-- Reply 1, or 0 if the entry is gone
--
-- Atomic, so that the remaining events are in the stream exactly once, wherever a crash happens.
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
if ARGV[2] ~= '' then redis.call('XADD', KEYS[1], '*', 'events', ARGV[2]) end
return 1
