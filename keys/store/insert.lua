-- Stores new keys together, all of one slot on a Cluster: every one, or none where
-- one is taken.
-- KEYS: of each its record and its tombstone; at most 1000 keys, with which Redis is busy
-- for a millisecond. ARGV: of each what is stored behind the revision.
-- Returns the new revision, or false and the numbers of those that are taken.
local _, micros = clock()
if redis.call('EXISTS', unpack(KEYS)) > 0 then
  local taken = {false}
  for i = 1, #KEYS, 2 do
    if redis.call('EXISTS', KEYS[i], KEYS[i + 1]) > 0 then taken[#taken + 1] = (i + 1) / 2 end
  end
  return taken
end
local revision, pairs = raised('', micros), {}
for i = 1, #ARGV do
  pairs[2 * i - 1], pairs[2 * i] = KEYS[2 * i - 1], revision .. ARGV[i]
end
redis.call('MSET', unpack(pairs))
return {revision}
