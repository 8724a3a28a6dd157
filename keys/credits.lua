-- Changes the balance of a key that has one.
-- KEYS: record. ARGV: the prefix it must have, what its record says of refill
-- (amount, day; amount 0 for none), set | increment | decrement, the value.
-- Returns the new balance as text, or false and what is there; '' and the old
-- balance where the sum would pass 2^53-1.
local now = clock()
local old = redis.call('GET', KEYS[1]) or ''
if sub(old, 1, 8) ~= ARGV[1] then return {false, old} end
local balance, next = u56(old, 9), u56(old, 16)
if ARGV[2] ~= '0' then
  balance, next = refill_settle(balance, next, tonumber(ARGV[2]), tonumber(ARGV[3]), now)
end
local value = tonumber(ARGV[5])
if ARGV[4] == 'set' then
  balance = value
elseif ARGV[4] == 'increment' then
  if value > 9007199254740991 - balance then
    return {'', string.format('%.0f', balance)}
  end
  balance = balance + value
else
  balance = math.max(0, balance - value)
end
store_while_full(KEYS[1])
redis.call('SETRANGE', KEYS[1], 8, p56(balance) .. p56(next))
return {string.format('%.0f', balance), ''}
