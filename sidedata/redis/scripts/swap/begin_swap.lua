-- Begin a swap: from here on the partition's owner, whichever it is, has to complete it.
--
-- KEYS  1 cursor, 2 the organization's record, 3 the organization's workflows
-- ARGV  1 fence, 2 cursor's entry, 3 records revision, 4 the run, 5 time zone,
--       6 in MessagePack: of each workflow its record's key, its kind, its id
-- Reply "ok" | "fenced" another owner came | "stale" a record was changed meanwhile
--
-- Atomic, because the shadow was built from these records and for this cursor. Kinds and zone are fixed here: no other kind or
-- zone may be registered between the steps.
local stored = redis.call('HMGET', KEYS[1], 'fence', 'entry', 'records')
if stored[1] ~= ARGV[1] or (stored[2] or '0-0') ~= ARGV[2] then return 'fenced' end
if (stored[3] or '0') ~= ARGV[3] then return 'stale' end
redis.call('HSETNX', KEYS[2], 'timezone', ARGV[5])
redis.call('HSET', KEYS[2], 'has_events', '1')
for _, workflow in ipairs(cmsgpack.unpack(ARGV[6])) do
  local record, kind, id = unpack(workflow)
  redis.call('HSETNX', record, 'kind', kind)
  redis.call('ZADD', KEYS[3], 'NX', 0, id)
end
redis.call('HINCRBY', KEYS[1], 'records', 1)
redis.call('HSET', KEYS[1], 'swap', ARGV[4])
return 'ok'
