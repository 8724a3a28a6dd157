-- Puts members into a list, also while Redis is full. KEYS: the list. ARGV: the score,
-- the members. Returns 1.
store_while_full(KEYS[1])
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], ARGV[1], ARGV[i]) end
return {1}
