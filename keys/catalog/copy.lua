-- Raises a shard's copies of a workspace's revisions. KEYS: copies of one
-- shard. ARGV: what each must be at least. Returns the highest, and the highest even
-- one, '' for none.
local highest, even = '', ''
for i = 1, #KEYS do
  local p = redis.call('GET', KEYS[i]) or ''
  if less(p, ARGV[i]) then
    p = ARGV[i]
    store_while_full(KEYS[i])
    redis.call('SET', KEYS[i], p)
  end
  if less(highest, p) then highest = p end
  if p ~= '' and u56(p, 2) % 2 == 0 and less(even, p) then even = p end
end
return {highest, even}
