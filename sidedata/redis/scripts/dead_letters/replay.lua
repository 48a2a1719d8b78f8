-- Replay a dead letter: its event goes back to the ingest stream.
--
-- KEYS  1 dead letters, 2 events stream, 3 the index of its organization (optional)
-- ARGV  1 the dead letter's id, 2 the event to send in place of the stored one (optional)
-- Reply 1, or 0 if there is no such dead letter (any more)
--
-- Atomic, so that a replay that is killed and repeated sends the event once: its dead letter is gone when it is in the stream.
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
if #found == 0 then return 0 end
local fields, entry = found[1][2], {}
for index = 1, #fields, 2 do
  local name = fields[index]
  -- An entry of an unknown form goes back in that form.
  if string.sub(name, 1, 6) == 'field:' then name = string.sub(name, 7) end
  if name == 'event' and fields[index + 1] ~= '' or string.sub(fields[index], 1, 6) == 'field:' then
    entry[#entry + 1] = name
    entry[#entry + 1] = name == 'event' and ARGV[2] or fields[index + 1]
  end
end
if #entry == 0 then entry = {'event', ''} end
redis.call('XADD', KEYS[2], '*', unpack(entry))
redis.call('XDEL', KEYS[1], ARGV[1])
if KEYS[3] then redis.call('XDEL', KEYS[3], ARGV[1]) end
return 1
