-- Stores entries that are not there yet. KEYS: the list, and the other one of the workspace.
-- ARGV: entries as they are stored, each behind its id. Returns how many were not there.
local stored = 0
for i = 1, #ARGV, 2 do
  local id, there = ARGV[i], false
  for j = 1, 2 do
    there = there or redis.call('ZLEXCOUNT', KEYS[j], '[' .. id .. '\n', '(' .. id .. '\v') > 0
  end
  if not there then
    redis.call('ZADD', KEYS[1], 0, ARGV[i + 1])
    stored = stored + 1
  end
end
return {stored}
