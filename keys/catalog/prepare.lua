-- Records at the master that a change is prepared. KEYS: for each revision that it raises
-- the revision and the preparations. ARGV: the change, for how many ms it may be made, and
-- '1' where it may be made while Redis is full.
-- Returns the highest of the revisions.
local ends, highest = string.format("%.0f", (clock()) + tonumber(ARGV[2])), ''
if ARGV[3] == '1' then store_while_full(KEYS[1]) end
for i = 1, #KEYS, 2 do
  local p = redis.call('GET', KEYS[i]) or ''
  if less(highest, p) then highest = p end
  redis.call('ZADD', KEYS[i + 1], ends, ARGV[1])
  redis.call('PEXPIRE', KEYS[i + 1], ARGV[2])
end
return {highest}
