-- Takes a key away, at once and for good. KEYS: record, grave, and what else goes
-- with the key.
-- ARGV: the prefix it must have, '1' to keep it in its grave.
-- Returns '' or what is there instead.
local old = redis.call('GET', KEYS[1]) or ''
if sub(old, 1, 8) ~= ARGV[1] then return {old} end
if ARGV[2] == '1' then
  redis.call('RENAME', KEYS[1], KEYS[2])
else
  redis.call('DEL', KEYS[1])
end
for i = 3, #KEYS do redis.call('UNLINK', KEYS[i]) end
return {false}
