-- Find dense sketches among keys.
--
-- KEYS  1 cursor (for the slot), then sketches, any of which may be missing
-- ARGV  1 the most dense sketches to return
-- Reply {number of keys looked at, index of a dense sketch among them, its value, …}; indexes begin at 1
--
-- One script, because the values of all other keys then stay in Redis. The reader owns the partition, so nothing changes until it
-- writes. Read only.
local call = redis.call
local most, found = tonumber(ARGV[1]), {0}
for at = 2, #KEYS do
  local value = call('GET', KEYS[at])
  found[1] = at - 1
  if value and #value == 12304 and string.sub(value, 1, 5) == 'HYLL\0' then
    found[#found + 1] = at - 1
    found[#found + 1] = value
    if #found > 2 * most then break end
  end
end
return found
