-- Takes a key away, at once and for good. KEYS: record, tombstone, where the record is
-- kept, and what else goes with the key.
-- ARGV: the revision it must have, the tombstone ('' leaves none), for how many ms the
-- record is kept ('0' not at all).
-- Returns '' or what is there instead.
-- DEL or RENAME comes first: Redis lets it pass while it is full, and then the rest.
local old = redis.call('GET', KEYS[1]) or ''
if sub(old, 1, 8) ~= ARGV[1] then return {old} end
if ARGV[3] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('RENAME', KEYS[1], KEYS[3])
  redis.call('PEXPIRE', KEYS[3], ARGV[3])
end
for i = 4, #KEYS do
  -- The counters that the index of a key lists have its hash tag, and are few: see
  -- counters.go.
  if sub(KEYS[i], 1, 6) == 'tg:ci:' then
    for _, member in ipairs(redis.call('ZRANGE', KEYS[i], 0, -1)) do
      redis.call('UNLINK', 'tg:c:' .. sub(KEYS[i], 7) .. ':' .. member)
    end
  end
  redis.call('UNLINK', KEYS[i])
end
if ARGV[2] ~= '' then redis.call('SET', KEYS[2], ARGV[2]) end
return {false}
