-- The schedule of package refill, for scripts. Times are unix ms, 0 to the year 9999;
-- day is 0 for every day, or the day of the month. Every intermediate is an integer below 2^53.

-- The first boundary after now. The calendar is Howard Hinnant's civil_from_days
-- (chrono-Compatible Low-Level Date Algorithms): its years begin in March, so that the
-- leap day is the last of the year and months have a formula.
local function refill_next(day, now)
  local floor = math.floor
  local today = floor(now / 86400000)
  if day == 0 then return (today + 1) * 86400000 end

  local era = floor((today + 719468) / 146097) -- of 400 years
  local doe = today + 719468 - era * 146097    -- day of the era
  local yoe = floor((doe - floor(doe / 1460) + floor(doe / 36524) - floor(doe / 146096)) / 365)
  local doy = doe - 365 * yoe - floor(yoe / 4) + floor(yoe / 100)
  local month = floor((5 * doy + 2) / 153)     -- 0 is March, 11 is February
  local passed = doy - floor((153 * month + 2) / 5) + 1
  local first = today - passed + 1             -- of the month, in days since 1970

  for _ = 1, 2 do -- this month or the next
    local length = floor((153 * month + 155) / 5) - floor((153 * month + 2) / 5)
    if month == 11 then -- of the year yoe + 1
      local leap = yoe % 4 == 3 and (yoe % 100 ~= 99 or yoe == 399)
      length = leap and 29 or 28
    end
    local at = day < length and day or length
    if passed < at then return (first + at - 1) * 86400000 end
    -- yoe matters in February only, which is not what follows a February
    first, passed, month = first + length, 0, (month + 1) % 12
  end
end

-- The balance and the boundary it waits for, as of now. The boundary returned is sooner than
-- next only where that is further ahead than a clock that was set back a little explains:
-- whoever settles writes it then, even where it writes nothing else, or it would be put off
-- again and again.
local function refill_settle(balance, next, amount, day, now)
  if now < next then
    if next - now <= (day == 0 and 86400000 or 2678400000) then return balance, next end
    local first = refill_next(day, now)
    if next <= refill_next(day, first) then return balance, next end
    return balance, first
  end
  if balance < amount then balance = amount end
  return balance, refill_next(day, now)
end
