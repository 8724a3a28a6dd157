-- Numbers the tags of an API's day, from 1. KEYS: the numbers. ARGV: how many there
-- may be, the end of their life, the tags. Returns their numbers, 0 for no room.
local n, out, added = redis.call('HLEN', KEYS[1]), {}, {}
for i = 3, #ARGV do
  local have = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '')
  if not have and n < tonumber(ARGV[1]) then
    n = n + 1
    have = n
    added[#added + 1] = ARGV[i]
    added[#added + 1] = tostring(n)
  end
  out[i - 2] = have or 0
end
if #added > 0 then
  redis.call('HSET', KEYS[1], unpack(added))
  if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) - clock() then redis.call('PEXPIREAT', KEYS[1], ARGV[2]) end
end
return out
