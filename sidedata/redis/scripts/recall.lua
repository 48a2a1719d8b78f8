-- What a batch must know before it is planned: ids applied already, visitors' memory, hours, names of goals; and what time it is.
--
-- KEYS  1 cursor (for the slot; all that is looked into has its hash tag)
-- ARGV  1 four lists in MessagePack: sets of remembered ids, each with the ids, as text, that it may hold; keys of visitors;
--         hours, each as the key of its visitors, the key of its day's counts and the field there; keys of goals' names
-- Reply {now in ms, {id found, …}, {a visitor's fields, …}, {an hour's TTL in ms, its stored count, …}, {a goal's record, …}}
--
-- One command for one round trip; the reader owns the partition, so nothing changes until its commit either. Read only.
local call = redis.call
local time = call('TIME')
local asked = cmsgpack.unpack(ARGV[1])
local found, visitors, hours, goals = {}, {}, {}, {}
for _, question in ipairs(asked[1]) do
  local key, ids = question[1], question[2]
  for first = 1, #ids, 1000 do
    local members = call('SMISMEMBER', key, unpack(ids, first, math.min(first + 999, #ids)))
    for place = 1, #members do
      if members[place] == 1 then found[#found + 1] = ids[first + place - 1] end
    end
  end
end
for place, key in ipairs(asked[2]) do
  visitors[place] = call('HGETALL', key)
end
for place, hour in ipairs(asked[3]) do
  hours[2 * place - 1], hours[2 * place] = call('PTTL', hour[1]), call('HGET', hour[2], hour[3])
end
for place, key in ipairs(asked[4]) do
  goals[place] = call('GET', key)
end
return {string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), found, visitors, hours, goals}
