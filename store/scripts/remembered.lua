-- Which of these ids were applied already, and what time it is.
--
-- KEYS  1 cursor (for the slot; the sets that are looked into have its hash tag)
-- ARGV  1 lists in MessagePack: a set's key, and the ids, as text, that it may hold
-- Reply {now in ms, id found, …}
--
-- Atomic by being one command; the reader owns the partition, so nothing changes until its commit either.
local time = redis.call('TIME')
local reply = {string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))}
for _, question in ipairs(cmsgpack.unpack(ARGV[1])) do
  local key, ids = question[1], question[2]
  for first = 1, #ids, 1000 do
    local found = redis.call('SMISMEMBER', key, unpack(ids, first, math.min(first + 999, #ids)))
    for place = 1, #found do
      if found[place] == 1 then reply[#reply + 1] = ids[first + place - 1] end
    end
  end
end
return reply
