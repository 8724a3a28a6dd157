-- Looks names up at one moment, as they are spelt, or else without regard to case.
-- KEYS: the names, the index of folded names, the revision. ARGV: pairs of a name and its
-- folded form.
-- Returns what the names stand at, 1 where the index is current, or would be empty, or
-- else 0, and for each pair the ids, '' where nothing has it; of an index that is not
-- current nothing is given.
local stand = names_stand(KEYS[1], KEYS[3])
local current = redis.call('HGET', KEYS[2], '') == stand
local none = redis.call('HLEN', KEYS[1]) == 0
local out = {stand, (current or none) and 1 or 0}
for i = 1, #ARGV, 2 do
  local id = redis.call('HGET', KEYS[1], ARGV[i])
  if not id and current then id = redis.call('HGET', KEYS[2], ARGV[i + 1]) end
  out[#out + 1] = id or ''
end
return out
