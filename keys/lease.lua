-- Takes or renews a lease, also while Redis is full: DEL comes first. KEYS: the lease.
-- ARGV: who asks, its life in ms. Returns 1, or 0 where somebody else has it.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return {0} end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {1}
