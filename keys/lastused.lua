-- Notes when a key was last used, or forgets it with a key that is not there any
-- more. KEYS: its record, the moment. ARGV: unix ms.
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('DEL', KEYS[2])
elseif tonumber(redis.call('GET', KEYS[2]) or '0') < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[2], ARGV[1])
end
return {1}
