-- Stores counts of a day that were counted elsewhere, or an index of them, where
-- they are not there yet. KEYS: the day, or the index. ARGV: the end of its life,
-- 'counts' or 'index', then fields and counts, or members.
-- Returns how many were stored.
local n = 0
if ARGV[2] == 'counts' then
  for i = 3, #ARGV, 2 do n = n + redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) end
else
  for i = 3, #ARGV do n = n + redis.call('ZADD', KEYS[1], 0, ARGV[i]) end
end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) - clock() then redis.call('PEXPIREAT', KEYS[1], ARGV[1]) end
return {n}
