-- Writes a key's record, keeping what is left of it.
-- KEYS: record, tombstone. ARGV: the revision it must have now ('' when it must not
-- exist), the record, then what the record says now of its refill (amount, day;
-- amount 0 for none) and what the new one says, the balance ('' keeps it), '1'
-- to start the refill's calendar anew, '1' where it only takes rights away, and for each limit of the new record the
-- number of the old one whose counts it keeps, or 0.
-- Returns the new revision and the time, or false, what is there, and the time.
local now, micros = clock()
local old = redis.call('GET', KEYS[1]) or ''
if sub(old, 1, 8) ~= ARGV[1] then return {false, old, now} end
if old == '' and redis.call('EXISTS', KEYS[2]) == 1 then return {false, '', now} end

local balance, next = 0, 0
if old ~= '' then
  balance, next = u56(old, 9), u56(old, 16)
  if ARGV[3] ~= '0' then
    balance, next = refill_settle(balance, next, tonumber(ARGV[3]), tonumber(ARGV[4]), now)
  end
end
if ARGV[7] ~= '' then balance = tonumber(ARGV[7]) end
if ARGV[5] == '0' then
  next = 0
elseif ARGV[8] == '1' then
  next = refill_next(tonumber(ARGV[6]), now)
end

local revision = raised(sub(old, 1, 8), micros)
local out = {revision, p56(balance), p56(next), char(#ARGV - 9)}
for i = 10, #ARGV do
  local from = tonumber(ARGV[i])
  if from > 0 then
    out[#out + 1] = sub(old, 24 + (from - 1) * 21, 23 + from * 21)
  else
    out[#out + 1] = string.rep('\0', 21)
  end
end
out[#out + 1] = ARGV[2]
local record = concat(out)
if ARGV[9] == '1' or #record <= #old then store_while_full(KEYS[1]) end
redis.call('SET', KEYS[1], record)
return {revision, '', now}
