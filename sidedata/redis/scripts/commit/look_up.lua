-- Read all that a batch is planned on: ids applied already, visitors' state, hours, names of goals, and Redis's time.
--
-- KEYS  1 cursor (for the slot; all keys that are read have its hash tag)
-- ARGV  1 four lists in MessagePack: sets of applied ids, each as its key, the number of ids that it may hold, and these, as text;
--         keys of visitors;
--         hours by day: key of the day's counts, {field of an hour's count, …}, {key of its visitors, …}; keys of goals' names
-- Reply {now in ms, {applied id, …}, {a visitor's fields, …}, {TTL of an hour's visitors in ms, nil if no count is stored, …},
--        {a goal's record, …}}
--
-- One command for one round trip; the reader owns the partition, so nothing changes until its commit either. Read only.
local call = redis.call
local time = call('TIME')
local id_queries, visitor_keys, hour_queries, goal_keys = unpack(cmsgpack.unpack(ARGV[1]))
local applied, visitors, hours, goals = {}, {}, {}, {}
-- One flat list: with many sets most of them are asked for one id, and a table for each would cost as much as the command.
local at = 1
while at <= #id_queries do
  local key, last = id_queries[at], at + 1 + id_queries[at + 1]
  for first = at + 2, last, 1000 do
    local members = call('SMISMEMBER', key, unpack(id_queries, first, math.min(first + 999, last)))
    for of_members = 1, #members do
      if members[of_members] == 1 then applied[#applied + 1] = id_queries[first + of_members - 1] end
    end
  end
  at = last + 1
end
for at, key in ipairs(visitor_keys) do
  visitors[at] = call('HGETALL', key)
end
for _, query in ipairs(hour_queries) do
  -- An hour whose count was never stored can't be sealed, so most hours of an import cost a field of one command.
  for of_day, count in ipairs(call('HMGET', query[1], unpack(query[2]))) do
    hours[#hours + 1] = count and call('PTTL', query[3][of_day])
  end
end
for at, key in ipairs(goal_keys) do
  goals[at] = call('GET', key)
end
return {string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), applied, visitors, hours, goals}
