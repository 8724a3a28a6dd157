-- Takes a pointer away. KEYS: record, tombstone. ARGV: what is stored behind the revision, the
-- tombstone ('' leaves none).
-- Returns 1, or 0 where something else is there.
-- DEL comes first: Redis lets it pass while it is full, and then the rest.
local old = redis.call('GET', KEYS[1])
if not old or sub(old, 9) ~= ARGV[1] then return {0} end
redis.call('DEL', KEYS[1])
if ARGV[2] ~= '' then redis.call('SET', KEYS[2], ARGV[2]) end
return {1}
