-- Delete dead letters, and their ids in the indexes of their organizations.
--
-- KEYS  1 dead letters, then the index of each letter's organization (the dead letters once more where it names none)
-- ARGV  the ids, in the order of the indexes
-- Reply the number of letters that existed
--
-- Atomic, so that a letter that is replayed at the same time is either sent again or deleted.
local deleted = 0
for place, id in ipairs(ARGV) do
  deleted = deleted + redis.call('XDEL', KEYS[1], id)
  if KEYS[place + 1] ~= KEYS[1] then redis.call('XDEL', KEYS[place + 1], id) end
end
return deleted
