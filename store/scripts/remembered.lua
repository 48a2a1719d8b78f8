-- Which of these ids were applied already, and what time it is.
--
-- KEYS  1 cursor (for the slot; the sets that are looked into have its hash tag)
-- ARGV  groups of: the set's key, number of ids, the ids
-- Reply {now in ms, id found, …}
--
-- Atomic by being one command; the reader owns the partition, so nothing changes until its commit either.
local time = redis.call('TIME')
local reply = {string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))}
local at, last = 1, #ARGV
while at <= last do
  local key, count = ARGV[at], tonumber(ARGV[at + 1])
  for first = at + 2, at + 1 + count, 1000 do
    local final = math.min(first + 999, at + 1 + count)
    local found = redis.call('SMISMEMBER', key, unpack(ARGV, first, final))
    for place = 1, #found do
      if found[place] == 1 then reply[#reply + 1] = ARGV[first + place - 1] end
    end
  end
  at = at + 2 + count
end
return reply
