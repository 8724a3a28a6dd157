-- The sliding window of package ratelimit, for scripts. Counts and limits are integers
-- below 2^53, durations below 2^37 ms, times unix ms; all arithmetic is exact in float64.

local floor = math.floor

-- Whether window w is the present one; told without a division, since it mostly is.
local function window_lasts(w, duration, now)
  local passed = now - w * duration
  return passed >= 0 and passed < duration
end

-- The window as of now: its number, its count, and the count of the one before.
local function window_roll(w, c, p, duration, now)
  local index = floor(now / duration)
  if w >= index then return index, c, p end -- the present one, or the clock stepped back
  if w == index - 1 then return index, 0, c end
  return index, 0, 0
end

-- What may still be used in the window of now. Negative where the limit was lowered;
-- below -2^53 only the sign is right.
local function window_room(c, p, limit, duration, now)
  if p == 0 then return limit - c end
  local rest = duration - now % duration
  local product = p * rest
  if product < 4503599627370496 then -- 2^52, so nothing was rounded
    return limit - c - floor(product / duration)
  end
  -- Long multiplication and division, 15 bits of p at a time, the highest first:
  -- part < 2^37 * 2^15 + 2^15 * 2^37 = 2^53.
  local weighted, left, unit = 0, 0, 35184372088832 -- 2^45
  for _ = 1, 4 do
    local limb = floor(p / unit)
    p = p - limb * unit
    local part = left * 32768 + limb * rest
    local q = floor(part / duration)
    weighted = weighted * 32768 + q
    left = part - q * duration
    unit = unit / 32768
  end
  return limit - c - weighted
end
