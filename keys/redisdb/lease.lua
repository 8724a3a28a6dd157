-- Takes or renews a lease, also while Redis is full: DEL comes first. KEYS: the lease.
-- ARGV: who asks, its life in ms. Returns 1, or 0 where somebody else has it. One that would
-- go on for more than an hour, as no lease does, was given by a wrong clock, and is over.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] and redis.call('PTTL', KEYS[1]) <= 3600000 then return {0} end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {1}
