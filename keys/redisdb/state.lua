-- The header of a stored key, as header.go lays it out: "1", then unsigned
-- 7-byte big-endian integers (exact in a float64 up to 2^53): the revision, the
-- balance, the next refill; one byte that counts the limits; for each of them
-- three integers: window, current, previous.
local byte, char, floor, sub, concat = string.byte, string.char, math.floor, string.sub, table.concat

local function u56(s, i) return (struct.unpack('>I7', s, i)) end

local function p56(n) return struct.pack('>I7', n) end

-- The clock of every decision: unix milliseconds, and microseconds.
local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + floor(t[2] / 1000), t[1] * 1000000 + t[2]
end

-- The revision that follows revision p: raised by one at least, never one that was
-- there before.
local function raised(p, micros)
  local n = micros
  if #p >= 8 then
    local old = u56(p, 2)
    if old >= n then n = old + 1 end
  end
  return '1' .. p56(n)
end

-- Whether revision p is less than q; '' is the least. Texts are not compared: Redis
-- does that by its locale, in which bytes may stand in any order.
local function less(p, q)
  return (p == '' and -1 or u56(p, 2)) < (q == '' and -1 or u56(q, 2))
end
