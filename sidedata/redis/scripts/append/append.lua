-- Append a batch of entries to a partition's ingest stream, all of them or none.
--
-- KEYS  1 events stream
-- ARGV  1 backlog limit (entries), then the value of `events` (a JSON array) of each entry
-- Reply {1, backlog before} when they are in, {0, backlog} when there are more than the limit already
--
-- Atomic, so that a producer that got no reply (its connection broke) may send the whole batch again with its ids. Redis out of
-- memory refuses the first write, and the writes after it can't fail: a batch is never half in.
local backlog = redis.call('XLEN', KEYS[1])
if backlog > tonumber(ARGV[1]) then return {0, backlog} end
for index = 2, #ARGV do
  redis.call('XADD', KEYS[1], '*', 'events', ARGV[index])
end
return {1, backlog}
