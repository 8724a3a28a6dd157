-- Raises a shard's copies of a workspace's revisions. KEYS: copies of one
-- shard. ARGV: what each must be at least.
for i = 1, #KEYS do
  if (redis.call('GET', KEYS[i]) or '') < ARGV[i] then redis.call('SET', KEYS[i], ARGV[i]) end
end
return {1}
