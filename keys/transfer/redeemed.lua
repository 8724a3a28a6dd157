-- Notes who redeemed a setup key elsewhere, where it is not noted yet. KEYS: record,
-- what each peer was told, peers by time, refusals. ARGV: the life of the refusals,
-- how many they are, themselves, then each peer and what it was told.
-- Returns how much was noted; nothing is where the key is not there any more.
if redis.call('EXISTS', KEYS[1]) == 0 then return {0} end
local n, refused = 0, tonumber(ARGV[2])
if refused > 0 and redis.call('EXISTS', KEYS[4]) == 0 then
  for i = 3, 2 + refused do redis.call('RPUSH', KEYS[4], ARGV[i]) end
  redis.call('PEXPIRE', KEYS[4], ARGV[1])
  n = 1
end
for i = 3 + refused, #ARGV, 2 do
  if redis.call('HSETNX', KEYS[2], ARGV[i], ARGV[i + 1]) == 1 then
    redis.call('ZADD', KEYS[3], string.format('%.0f', u56(ARGV[i + 1], 1)), ARGV[i])
    n = n + 1
  end
end
return {n}
