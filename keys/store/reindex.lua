-- Makes ids lead to a place, also while Redis is full. KEYS: entries of the index, of one slot
-- on a Cluster. ARGV: the place. Returns 1.
for i = 1, #KEYS do
  store_while_full(KEYS[i])
  redis.call('SET', KEYS[i], ARGV[1])
end
return {1}
