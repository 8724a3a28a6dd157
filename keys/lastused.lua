-- Notes when keys were last used, or forgets it with keys that are not there any
-- more. KEYS: for each key its record, its moment. ARGV: for each unix ms.
for i = 1, #ARGV do
  local record, moment = KEYS[2 * i - 1], KEYS[2 * i]
  if redis.call('EXISTS', record) == 0 then
    redis.call('DEL', moment)
  elseif tonumber(redis.call('GET', moment) or '0') < tonumber(ARGV[i]) then
    redis.call('SET', moment, ARGV[i])
  end
end
return {1}
