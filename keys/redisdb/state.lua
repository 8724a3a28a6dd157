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

-- Redis's struct library takes several fields apart, or puts them together, in one
-- call. miniredis has none: there the formats that scripts use are read here. They
-- are big-endian: B, I2 and I7 are integers of 1, 2 and 7 bytes, cn is n bytes as
-- they are.
local struct = rawget(_G, 'struct') or (function()
  local known = {}
  local function fields(format)
    local list = known[format]
    if not list then
      list = {}
      for kind, n in string.gmatch(format, '([BIc])(%d*)') do
        list[#list + 1] = {text = kind == 'c', size = n == '' and 1 or tonumber(n)}
      end
      known[format] = list
    end
    return list
  end
  return {
    unpack = function(format, s, i)
      local list, out = fields(format), {}
      i = i or 1
      for j = 1, #list do
        local f = list[j]
        local n = f.size
        if f.text then out[j] = sub(s, i, i + n - 1)
        elseif n == 7 then out[j] = u56(s, i)
        elseif n == 2 then out[j] = byte(s, i) * 256 + byte(s, i + 1)
        else out[j] = byte(s, i) end
        i = i + n
      end
      return unpack(out, 1, #list)
    end,
    pack = function(format, ...)
      local list, out = fields(format), {...}
      for j = 1, #list do
        local f = list[j]
        if f.text then -- as it is
        elseif f.size == 7 then out[j] = p56(out[j])
        else out[j] = char(out[j]) end
      end
      return concat(out)
    end,
  }
end)()

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
