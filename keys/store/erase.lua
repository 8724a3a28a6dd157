-- Removes a tombstone, which frees its digest. KEYS: tombstone, where the record is kept.
-- ARGV: the tombstone. Returns 1, or 0 where it is not there.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {0} end
redis.call('DEL', KEYS[1], KEYS[2])
return {1}
