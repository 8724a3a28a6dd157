-- Puts a pointer in the place of a secret. KEYS: record, tombstone. ARGV: what is stored behind
-- the revision.
-- Returns the revision, of the pointer that is there already if it is the same, or false where
-- something else is there.
local _, micros = clock()
local old = redis.call('GET', KEYS[1])
if old then return {sub(old, 9) == ARGV[1] and sub(old, 1, 8)} end
if redis.call('EXISTS', KEYS[2]) == 1 then return {false} end
local revision = raised('', micros)
redis.call('SET', KEYS[1], revision .. ARGV[1])
return {revision}
