-- Notes when keys were last used, or forgets it with keys that are not there any
-- more. KEYS: for each key its record, its moment. ARGV: for each unix ms.
-- A moment that has not come was noted by a wrong clock: a later one takes its place.
local now = clock()
for i = 1, #ARGV do
  local record, moment = KEYS[2 * i - 1], KEYS[2 * i]
  if redis.call('EXISTS', record) == 0 then
    redis.call('DEL', moment)
  else
    local noted, used = tonumber(redis.call('GET', moment) or '0'), tonumber(ARGV[i])
    if noted < used or noted > now and used > 0 then redis.call('SET', moment, ARGV[i]) end
  end
end
return {1}
