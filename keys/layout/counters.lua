-- The index of the counters that requests made of a key: see counters.go. Its members
-- are the rest of their names, by when they end at the earliest. They have its own hash
-- tag and are at most MOST_COUNTERS, so they need not be declared.
local MOST_COUNTERS = 128

-- The members of an index whose counters are gone.
local function counters_gone(index, now)
  local own = 'tg:c:' .. string.sub(index, 7) .. ':'
  local members = redis.call('ZRANGEBYSCORE', index, '-inf', string.format('%.0f', now))
  local names, gone = {}, {}
  for i = 1, #members do names[i] = own .. members[i] end
  local there = #names > 0 and redis.call('MGET', unpack(names)) or names
  for i = 1, #names do
    if not there[i] then gone[#gone + 1] = members[i] end
  end
  return gone
end
