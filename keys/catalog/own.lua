-- Reads a key for a workspace. KEYS: the record. ARGV: the workspace's id. It stands
-- behind the key's own id at the beginning of what the record says, so that as little is
-- read of a record that is another's as of none.
-- Returns the time and the record, '' where it is another's or there is none.
local slots = redis.call('GETRANGE', KEYS[1], 22, 22)
local at = 23 + 21 * (byte(slots) or 0)
local stored = ''
if string.find(redis.call('GETRANGE', KEYS[1], at, at + 511), ARGV[1], 1, true) then
  stored = redis.call('GET', KEYS[1])
end
return {(clock()), stored}
