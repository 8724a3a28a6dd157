-- Which commands the user may not use on a key. KEYS: one. ARGV: the commands. Returns 1,
-- then those; a server that does not say (before Redis 7) names none.
local refused = {1}
if redis.acl_check_cmd then
  for i = 1, #ARGV do
    local command, sub = string.match(ARGV[i], '([^|]+)|?(.*)')
    local allowed
    if sub == '' then allowed = redis.acl_check_cmd(command, KEYS[1]) else allowed = redis.acl_check_cmd(command, sub, KEYS[1]) end
    if not allowed then refused[#refused + 1] = ARGV[i] end
  end
end
return refused
