-- Stores new keys together, all of one slot on a Cluster: every one, or none where
-- one is taken.
-- KEYS: of each its record and its grave. ARGV: of each what is stored behind the
-- prefix.
-- Returns the new prefix, or false and the numbers of those that are taken.
local _, micros = clock()
local taken = {false}
for i = 1, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[i], KEYS[i + 1]) > 0 then taken[#taken + 1] = (i + 1) / 2 end
end
if #taken > 1 then return taken end
local prefix = raised('', micros)
for i = 1, #KEYS, 2 do redis.call('SET', KEYS[i], prefix .. ARGV[(i + 1) / 2]) end
return {prefix}
