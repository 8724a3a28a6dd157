-- The header of a stored key, as header.go lays it out: "1", then unsigned
-- 7-byte big-endian integers (exact in a float64 up to 2^53): the revision, the
-- balance, the next refill; one byte that counts the limits; for each of them
-- three integers: window, current, previous.
local byte, char, floor, sub, concat = string.byte, string.char, math.floor, string.sub, table.concat

local function u56(s, i)
  local a, b, c, d, e, f, g = byte(s, i, i + 6)
  return (((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f) * 256 + g
end

local function p56(n)
  local hi = floor(n / 16777216)
  local lo = n - hi * 16777216
  return char(floor(hi / 16777216), floor(hi / 65536) % 256, floor(hi / 256) % 256, hi % 256,
    floor(lo / 65536), floor(lo / 256) % 256, lo % 256)
end

-- The clock of every decision: unix milliseconds, and microseconds.
local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + floor(t[2] / 1000), t[1] * 1000000 + t[2]
end

-- The prefix that follows prefix p: raised by one at least, never one that was
-- there before.
local function raised(p, micros)
  local n = micros
  if #p >= 8 then
    local old = u56(p, 2)
    if old >= n then n = old + 1 end
  end
  return '1' .. p56(n)
end
