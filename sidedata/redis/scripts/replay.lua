-- Send a dead letter again.
--
-- KEYS  1 dead letters, 2 events stream
-- ARGV  1 the letter's id
-- Reply 1, or 0 if there is no such letter (any more)
--
-- Atomic, so that a replay that is killed and repeated sends it once: the letter is gone when the event is in the stream.
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
if #found == 0 then return 0 end
local fields, entry = found[1][2], {}
for place = 1, #fields, 2 do
  local name = fields[place]
  -- An entry in a form that we don't know goes back in that form.
  if string.sub(name, 1, 6) == 'field:' then name = string.sub(name, 7) end
  if name == 'event' and fields[place + 1] ~= '' or string.sub(fields[place], 1, 6) == 'field:' then
    entry[#entry + 1] = name
    entry[#entry + 1] = fields[place + 1]
  end
end
if #entry == 0 then entry = {'event', ''} end
redis.call('XADD', KEYS[2], '*', unpack(entry))
redis.call('XDEL', KEYS[1], ARGV[1])
return 1
