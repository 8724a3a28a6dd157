-- What is looked at where a counter is made or its life begins anew, and only there: the
-- index of its key and the budget of its workspace. One function makes the others, and is
-- given what they need, so that a call that makes no counter does next to nothing for it.
--
-- ARGV[2] says what each counter counts towards, as call.go writes it: 7 bytes how many
-- counters a budget has room for, then for each counter 2 bytes where its index is in
-- KEYS, and 2 its budget's record; 0 for none.
--
-- A budget's record is how many counters end in which unit of time. A life is noted in
-- units of a power of two ms of which it has 4 to 8, and counts to the end of the unit in
-- which it ends: a counter is never missing, and stays for a quarter of its life too long
-- at most. 15 bytes each: the power, the number of the unit, how many.
local function make_counters(now, KEYS, owners, first, names, costs, counters)
  local take, make, rep, call = struct.unpack, struct.pack, string.rep, redis.call
  local most = take('>I7', owners)
  local created, indexes, budgets = {}, {}, {}

  -- (layout/counters.lua)

  -- Whether an index has room for more counters, beside those that it lists and that are
  -- being made. A full one forgets those that are gone.
  local function room(number, more)
    local x = indexes[number]
    if not x then
      x = {listed = call('ZCARD', KEYS[number]), made = 0, add = {}, gone = {}}
      indexes[number] = x
    end
    if x.listed + x.made + more > MOST_COUNTERS and not x.looked then
      x.looked, x.gone = true, counters_gone(KEYS[number], now)
      x.listed = x.listed - #x.gone
    end
    return x.listed + x.made + more <= MOST_COUNTERS
  end

  -- The record of a budget as a list, the powers, units and numbers behind each other, n of
  -- each, and how many counters it counts.
  local function budget_of(number)
    local b = budgets[number]
    if b then return b end
    local text = call('GET', KEYS[number]) or ''
    local n, size = floor(#text / 15), 0
    local list = n > 0 and {take('>' .. rep('BI7I7', n), text)} or {}
    for i = 1, n * 3, 3 do
      if (list[i + 1] + 1) * 2 ^ list[i] > now then size = size + list[i + 2] else list[i + 2] = 0 end
    end
    b = {list = list, n = n, size = size}
    budgets[number] = b
    return b
  end

  -- Counts one more counter, or one less, that ends at a time.
  local function count(b, power, ends, change)
    local list, unit = b.list, floor(ends / 2 ^ power)
    for i = 1, b.n * 3, 3 do
      if list[i + 1] == unit and list[i] == power then
        list[i + 2] = math.max(0, list[i + 2] + change)
        return
      end
    end
    if change < 0 then return end
    local i = b.n * 3
    list[i + 1], list[i + 2], list[i + 3], b.n = power, unit, change, b.n + 1
  end

  -- Whether the counters that an entry needs may be made: false, or the status that
  -- refuses it. All of them or none.
  local function too_many(limits)
    local new, towards, drawn
    for j = 1, limits do
      local name = names[j]
      if name > 0 and costs[j * 2] > 0 and counters[name][4] < 0 and not created[name] and not (new and new[name]) then
        local index, budget = take('>I2I2', owners, name * 4 + 4)
        if not new then new, towards, drawn = {}, {}, {} end
        new[name] = true
        if index > 0 then towards[index] = (towards[index] or 0) + 1 end
        if budget > 0 then drawn[budget] = (drawn[budget] or 0) + 1 end
      end
    end
    if not new then return false end
    for index, n in pairs(towards) do
      if not room(index, n) then return 'I' end
    end
    for budget, n in pairs(drawn) do
      if budget_of(budget).size + n > most then return 'W' end
    end
    for name in pairs(new) do created[name] = true end
    for index, n in pairs(towards) do indexes[index].made = indexes[index].made + n end
    for budget, n in pairs(drawn) do budgets[budget].size = budgets[budget].size + n end
    return false
  end

  -- Notes that a counter is about to be stored for a life: a new one, or one that ends
  -- later from now on.
  local function note(key, life, new)
    local index, budget = take('>I2I2', owners, key * 4 + 4)
    local name = KEYS[first + key]
    if index > 0 and new then
      indexes[index].add[string.sub(name, #KEYS[index] + 1)] = now + life
    end
    if budget == 0 then return end
    local power, b = 8, budget_of(budget)
    while 2 ^ (power + 3) < life do power = power + 1 end
    if not new then count(b, power, now + math.max(0, call('PTTL', name)), -1) end
    count(b, power, now + life, 1)
    b.changed = true
  end

  local function write_index(number, x)
    for i = 1, #x.gone do
      if not x.add[x.gone[i]] then call('ZREM', KEYS[number], x.gone[i]) end
    end
    for member, ends in pairs(x.add) do call('ZADD', KEYS[number], string.format('%.0f', ends), member) end
  end

  local function write_budget(number, b)
    local list, out, n, last = b.list, {}, 0, now + 1
    for i = 1, b.n * 3, 3 do
      local power, unit, many = list[i], list[i + 1], list[i + 2]
      if many > 0 then
        out[n + 1], out[n + 2], out[n + 3], n = power, unit, many, n + 3
        last = math.max(last, (unit + 1) * 2 ^ power)
      end
    end
    if n > 0 then
      call('SET', KEYS[number], make('>' .. rep('BI7I7', n / 3), unpack(out, 1, n)), 'PX', string.format('%.0f', last - now))
    end
  end

  local function write()
    for number, x in pairs(indexes) do write_index(number, x) end
    for number, b in pairs(budgets) do
      if b.changed then write_budget(number, b) end
    end
  end

  return too_many, note, write
end
