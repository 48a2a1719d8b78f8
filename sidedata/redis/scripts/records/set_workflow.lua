-- Register a workflow: its kind, which is then fixed, and its name.
--
-- KEYS  1 the workflow's record, 2 the organization's workflows, 3 cursor
-- ARGV  1 workflow, 2 kind, "" for the one that is fixed already, 3 "named" if a name is given, 4 the name
-- Reply {"ok"} | {"fixed", kind} it is of another kind | {"unknown"} no kind is given, and none is fixed
--
-- Atomic, because a commit between the check and the write could bring the first event, which fixes the kind.
-- The revision in `records` tells a worker with a cached record to read it again: every commit checks it.
local kind = redis.call('HGET', KEYS[1], 'kind')
if ARGV[2] == '' and not kind then return {'unknown'} end
if kind and ARGV[2] ~= '' and kind ~= ARGV[2] then return {'fixed', kind} end
redis.call('HINCRBY', KEYS[3], 'records', 1)
redis.call('HSET', KEYS[1], 'kind', kind or ARGV[2])
if ARGV[3] == 'named' then redis.call('HSET', KEYS[1], 'name', ARGV[4]) end
redis.call('ZADD', KEYS[2], 'NX', 0, ARGV[1])
return {'ok'}
