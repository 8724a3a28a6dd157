-- Reads definitions of one workspace as they stand at one moment.
-- KEYS: revisions, then definitions. ARGV: how many revisions, and for each the
-- least it must be: a lower one is raised, so that a change that was prepared and
-- never made is not waited for any more.
-- Returns the time, the revisions, the definitions (false where absent).
local n = tonumber(ARGV[1])
local out = {(clock())}
for i = 1, n do
  local p = redis.call('GET', KEYS[i]) or ''
  if less(p, ARGV[i + 1]) then
    p = ARGV[i + 1]
    store_while_full(KEYS[i])
    redis.call('SET', KEYS[i], p)
  end
  out[i + 1] = p
end
for i = n + 1, #KEYS do out[i + 1] = redis.call('GET', KEYS[i]) end
return out
