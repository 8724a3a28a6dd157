-- Stores a text, also while Redis is full. KEYS: its name. ARGV: the text, '1' where one
-- that is there stays. Returns 1.
if ARGV[2] == '1' and redis.call('EXISTS', KEYS[1]) == 1 then return {1} end
store_while_full(KEYS[1])
redis.call('SET', KEYS[1], ARGV[1])
return {1}
