-- Changes the balance of a key that has one, and notes in its record when.
-- KEYS: record. ARGV: the revision it must have, what its record says of refill
-- (amount, day; amount 0 for none), set | increment | decrement, the value, the
-- record, and where in it the eight bytes are that say when it was changed.
-- A record that differs from that one in those eight bytes alone is the same key:
-- another change of its balance was quicker, and this one does not have to be asked for
-- again. Everything else of the record stays as it is, what its limits counted too. The
-- revision is raised only if the text of the record changes: two changes within one
-- millisecond raise it once.
-- Returns the new balance as text, or false and what is there; '' and the old
-- balance where the sum would pass 2^53-1.
local now, micros = clock()
local old = redis.call('GET', KEYS[1]) or ''
if old == '' then return {false, old} end
local head, at = 23 + byte(old, 23) * 21, tonumber(ARGV[7])
local text, wanted = sub(old, head + 1), ARGV[6]
local before, behind = sub(wanted, 1, at - 1), sub(wanted, at + 8)
if sub(old, 1, 8) ~= ARGV[1]
  and (#text ~= #wanted or sub(text, 1, at - 1) ~= before or sub(text, at + 8) ~= behind) then
  return {false, old}
end
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
local changed = before .. '\0' .. p56(now) .. behind
store_while_full(KEYS[1])
if changed == text then
  redis.call('SETRANGE', KEYS[1], 8, p56(balance) .. p56(next))
else
  redis.call('SET', KEYS[1], raised(sub(old, 1, 8), micros) .. p56(balance) .. p56(next) .. sub(old, 23, head) .. changed)
end
return {string.format('%.0f', balance), ''}
