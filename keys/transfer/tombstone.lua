-- Keeps a digest taken whose key was soft-deleted elsewhere. KEYS: record, tombstone.
-- ARGV: the tombstone. Returns 1, or 0 where one is there, or -1 where a key is.
if redis.call('EXISTS', KEYS[1]) == 1 then return {-1} end
if redis.call('EXISTS', KEYS[2]) == 1 then return {0} end
redis.call('SET', KEYS[2], ARGV[1])
return {1}
