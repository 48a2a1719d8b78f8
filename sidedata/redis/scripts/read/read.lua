-- Read the fields of one workflow's buckets that a report needs, all at one revision.
--
-- KEYS  1 workflow's record, 2 organization's record, 3 log of changes (buckets have their hash tag)
-- ARGV  1 revision that the reader knows ("" for none), 2 revision of names that it knows, 3 the common beginning of keys of goals,
--       4 number of fields that it misses, 5 number of fields that it has but that may have changed, 6 number of goals that it
--       knows; then the missing fields, two values each, the others, with a third (their bucket as the log names it), and the
--       goals. A field is a word and the common beginning of the keys of its bucket:
--         visitors, sessions   a sketch: the reader fetches it next by MGET; here it only counts as work
--         counts               counts
--         goals                counts, and the names of the goals in them
--       The last value is `recut` of the organization's record as the reader knows it ("" for none): it says which days have other keys.
-- Reply {recut} alone if that is another one now; else
--       {timezone, the table of its offsets, kind, revision, fence of its commit, changes_from, revision of names, buckets changed
--        since the known revision, data of the fields (of those that may have changed only those whose buckets are named, all if
--        the log of changes does not reach back to the known revision, none if that is the newest), name records of the goals}
--       The data is that of the first fields only if all would keep Redis busy for long; the reader asks again for the rest.
--
-- Atomic, because an answer must not show half a commit. Read only. Sketches are not read here: a script copies a value that it
-- returns from string to string, which takes five times as long as to send it.
local call = redis.call
local record = call('HMGET', KEYS[1], 'kind', 'revision', 'changes_from', 'fence')
local organization = call('HMGET', KEYS[2], 'timezone', 'names', 'rules', 'recut')
local recut = organization[4] or ''
if recut ~= ARGV[#ARGV] then return {recut} end
local revision, names = record[2] or '0', organization[2] or '0'
local changed = {}
if ARGV[1] ~= '' and ARGV[1] ~= revision then
  changed = call('ZRANGEBYSCORE', KEYS[3], '(' .. ARGV[1], '+inf')
end
local missing, open, known = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local goals, wanted = {}, {}
local MOST_SKETCHES, MOST_CALLS = 160, 250 -- under a millisecond each, of the MGET that follows and of this
local sketches, calls = 0, 0

local function want(goal)
  if not goals[goal] then
    goals[goal] = true
    wanted[#wanted + 1] = goal
  end
end

-- The names that the reader knows are the newest ones: it needs those of other goals only.
if ARGV[2] == names then
  local last = 6 + 2 * missing + 3 * open + known
  for index = last - known + 1, last do goals[ARGV[index]] = true end
end

local read = {}

function read.counts(bucket)
  local counts = call('HGETALL', bucket .. 'counts')
  calls = calls + 1 + #counts / 20
  return counts
end

function read.goals(bucket)
  local counts = read.counts(bucket)
  for index = 1, #counts, 2 do
    local goal = string.match(counts[index], '^%a+:(%x+%-%x+%-%x+%-%x+%-%x+)$')
    if goal then
      want(goal)
      sketches = sketches + 2
    end
  end
  return counts
end

function read.visitors()
  sketches = sketches + 1
  return false
end

read.sessions = read.visitors

local data = {}

local function bring(index)
  if sketches < MOST_SKETCHES and calls < MOST_CALLS then data[#data + 1] = read[ARGV[index]](ARGV[index + 1]) end
end

for index = 7, 5 + 2 * missing, 2 do bring(index) end
local first = 7 + 2 * missing
if ARGV[1] ~= revision then
  local all, named = true, {}
  if #changed > 0 and tonumber(record[3] or '0') <= tonumber(ARGV[1]) then
    all = false
    for _, bucket in ipairs(changed) do named[bucket] = true end
  end
  for index = first, first + 3 * open - 1, 3 do
    if all or named[ARGV[index + 2]] then bring(index) end
  end
end
if ARGV[2] ~= names then
  for index = first + 3 * open, first + 3 * open + known - 1 do want(ARGV[index]) end
end
local named = {}
for _, goal in ipairs(wanted) do
  named[#named + 1] = goal
  named[#named + 1] = call('GET', ARGV[3] .. goal)
end
return {organization[1], organization[3], record[1], revision, record[4] or '0', record[3] or '0', names, changed, data, named}
