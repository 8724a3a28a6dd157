-- Sets a marker, also while Redis is full. KEYS: the marker. ARGV: '0' where others may
-- be missing still, which changes nothing that is there; '1' where all are there.
-- Returns 1.
local there = redis.call('GET', KEYS[1])
if there == '1' or there and ARGV[1] == '0' then return {1} end
store_while_full(KEYS[1])
redis.call('SET', KEYS[1], ARGV[1])
return {1}
