-- The sliding window of package ratelimit, for scripts. Counts and limits are integers
-- below 2^53, durations below 2^37 ms, times unix ms; all arithmetic is exact in float64.

-- Brings the window that stands at i of a list to now: its number, its count, and the count
-- of the one before. Returns what may still be used in it, and whether it lay ahead,
-- because the clock was set back. What may be used is negative where the limit was
-- lowered; below -2^53 only its sign is right.
local function window_look(list, i, limit, duration, now)
  local w, c, p, ahead = list[i], list[i + 1], list[i + 2], false
  local passed = now - w * duration
  if passed < 0 or passed >= duration then -- told without a division, since it mostly lasts
    local index = math.floor(now / duration)
    if w > index then ahead = true
    else
      p = w == index - 1 and c or 0
      c = 0
    end
    list[i], list[i + 1], list[i + 2] = index, c, p
    passed = now - index * duration
  end
  if p == 0 then return limit - c, ahead end
  local rest = duration - passed
  local product = p * rest
  if product < 4503599627370496 then -- 2^52, so nothing was rounded
    return limit - c - math.floor(product / duration), ahead
  end
  -- Long multiplication and division, 15 bits of p at a time, the highest first:
  -- part < 2^37 * 2^15 + 2^15 * 2^37 = 2^53.
  local weighted, left, unit = 0, 0, 35184372088832 -- 2^45
  for _ = 1, 4 do
    local limb = math.floor(p / unit)
    p = p - limb * unit
    local part = left * 32768 + limb * rest
    local q = math.floor(part / duration)
    weighted = weighted * 32768 + q
    left = part - q * duration
    unit = unit / 32768
  end
  return limit - c - weighted, ahead
end
