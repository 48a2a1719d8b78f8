-- Replace dense sketches by their sparse forms.
--
-- KEYS  1 cursor, then sketches
-- ARGV  1 fence, 2 the entry applied last, then a value for each sketch
-- Reply number of sketches replaced | "fenced" another owner came, or a commit since the sketches were read
--
-- Atomic, because the values were made of what the owner has read: with its fence and its entry in the cursor, nothing was added
-- since. A key that has expired meanwhile stays away. DEL comes first because Redis then lets the rest run at `maxmemory`, too:
-- there the memory that this frees is needed most.
local call = redis.call
local stored = call('HMGET', KEYS[1], 'fence', 'entry')
if stored[1] ~= ARGV[1] or (stored[2] or '0-0') ~= ARGV[2] then return 'fenced' end
local replaced = 0
for at = 2, #KEYS do
  local ttl = call('PTTL', KEYS[at])
  if ttl > 0 then
    call('DEL', KEYS[at])
    call('SET', KEYS[at], ARGV[at + 1], 'PX', ttl)
    replaced = replaced + 1
  end
end
return replaced
