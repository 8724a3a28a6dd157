-- Stores new keys together, all of one slot on a Cluster: every one, or none where
-- one is taken.
-- KEYS: of each its record and its grave. ARGV, of each: the record, the balance,
-- the next refill ('' to count it from now), the day of its refill, how many
-- limits, and their windows ('' for none counted yet).
-- Returns the new prefix, or false and the numbers of those that are taken.
local now, micros = clock()
local taken = {false}
for i = 1, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[i], KEYS[i + 1]) > 0 then taken[#taken + 1] = (i + 1) / 2 end
end
if #taken > 1 then return taken end
local prefix = raised('', micros)
for i = 1, #KEYS, 2 do
  local at = (i - 1) * 3
  local next, limits, windows = ARGV[at + 3], tonumber(ARGV[at + 5]), ARGV[at + 6]
  if next == '' then next = refill_next(tonumber(ARGV[at + 4]), now) end
  if windows == '' then windows = string.rep('\0', 21 * limits) end
  redis.call('SET', KEYS[i], concat({prefix, p56(tonumber(ARGV[at + 2])), p56(tonumber(next)), char(limits), windows, ARGV[at + 1]}))
end
return {prefix}
