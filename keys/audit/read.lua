-- Reads a part of each list. KEYS: the lists. ARGV: where the part begins and where it ends, as
-- ZLEXCOUNT has them; how many entries of it at most; '1' for the newest, otherwise the oldest.
-- Returns the entries of each list, oldest first.
local most, all = tonumber(ARGV[3]), {}
for i = 1, #KEYS do
  local n = redis.call('ZLEXCOUNT', KEYS[i], ARGV[1], ARGV[2])
  local skip = ARGV[4] == '1' and math.max(0, n - most) or 0
  all[i] = n > 0 and redis.call('ZRANGEBYLEX', KEYS[i], ARGV[1], ARGV[2], 'LIMIT', skip, most) or {}
end
return all
