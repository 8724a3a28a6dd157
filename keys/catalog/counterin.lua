-- Stores a counter that was counted elsewhere, or bounds the life of one that is here, and
-- lists it in the index of its key. KEYS: the counter, the index where it has one. ARGV:
-- what is stored, '' for what is here, its life in ms at most, its name in the index.
-- Returns 1, 0 where there is one already, or none, or -1 where the index is full: what
-- is here stays then, with its life bounded.
local now, life = clock(), tonumber(ARGV[2])
local here = redis.call('EXISTS', KEYS[1]) == 1
if here ~= (ARGV[1] == '') then return {0} end
local full, gone = false, {}
if KEYS[2] and not redis.call('ZSCORE', KEYS[2], ARGV[3]) then
  local listed = redis.call('ZCARD', KEYS[2])
  if listed >= MOST_COUNTERS then gone = counters_gone(KEYS[2], now) end
  full = listed - #gone >= MOST_COUNTERS
end
if here then
  local rest = redis.call('PTTL', KEYS[1])
  if rest < 0 or rest > life then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
  else
    life = rest
  end
elseif full then
  return {-1}
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
if full then return {-1} end
for i = 1, #gone do redis.call('ZREM', KEYS[2], gone[i]) end
if KEYS[2] then redis.call('ZADD', KEYS[2], string.format('%.0f', now + life), ARGV[3]) end
return {1}
