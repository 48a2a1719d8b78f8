-- Begin the unions of long sketches as empty dense ones.
--
-- KEYS  of each union its key and the keys that it will be made of, any of which may be missing
-- ARGV  1 expiry of the unions (seconds since the epoch), then of each the number of keys that it will be made of
-- Reply 1
--
-- Where no sketch is dense, PFMERGE begins with a sparse union and adds register by register: up to 5 ms until that is long enough to
-- become dense. Long sparse sketches, such as those of old hours, take it there certainly. Into a dense one it takes 0.2 ms. A
-- script, because only their lengths tell, and it sends no sketch to anybody.
local call = redis.call
local LONG = 3000 -- bytes; see `sidedata/sketches/sparse_sketch.py`
local EMPTY = 'HYLL' .. string.rep('\0', 12300)
local at = 1
for union = 2, #ARGV do
  local key, last = KEYS[at], at + tonumber(ARGV[union])
  for source = at + 1, last do
    local value = call('GET', KEYS[source])
    if value and #value > LONG then
      call('SET', key, EMPTY)
      call('EXPIREAT', key, ARGV[1])
      break
    end
  end
  at = last + 1
end
return 1
