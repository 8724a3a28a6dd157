-- Verifications, each all or nothing, in the order they arrived.
--
-- KEYS: every name that one of them uses, each once. ARGV: one text, the entries
-- one behind the other as call.go writes them. Nothing is written before every
-- entry is decided: only the first write can be refused (no memory, read-only),
-- and then nothing was spent.
--
-- Returns one text: the time, and for each entry
--   'A'  there is no such key
--   'R'  the record is another one: its length and itself
--   'S'  the same, told to an earlier entry: ask again
--   'G'  a guard holds another revision: its number and what it holds
--   'V' valid, 'L' over a limit, 'U' balance below the cost, 'E' expired,
--   'C' the caller's own refusal stands; then the balance, and where they were
--   looked at ('V', 'L', 'U') what is left of each limit, and if it refuses.
local blob, at, size = ARGV[1], 1, #ARGV[1]
local now = clock()
local records, sent, counters, guards = {}, {}, {}, {}
local NONE = '\0\0\0\0\0\0\0\0' -- the prefix of what is not there
local out, o = {p56(now)}, 1

local function range(name, from, to)
  local s = redis.pcall('GETRANGE', name, from, to)
  if type(s) == 'string' then return s end
  return ''
end

-- A window as it is now: its number, the count, the count of the one before. One
-- that lies ahead, because the clock was set back, is written as what it counts
-- for now even by a refusal: a full limit would stay full until then otherwise.
local function window(s, i, duration)
  if #s < i + 20 then return {window_roll(0, 0, 0, duration, now)} end
  local at = u56(s, i)
  local w = {window_roll(at, u56(s, i + 7), u56(s, i + 14), duration, now)}
  if at > w[1] then w.dirty = true end
  return w
end

-- The window of a counter key, read once.
local function counter(key, duration)
  local w = counters[key]
  if not w then
    w = window(range(KEYS[key], 0, 20), 1, duration)
    w.ttl = 2 * duration
    counters[key] = w
  end
  return w
end

-- The window in a slot of a record's header, read once.
local function slot(record, i, duration)
  local w = record[i]
  if not w then
    w = window(record.header, 24 + (i - 1) * 21, duration)
    record[i], record.windows = w, record.windows or w.dirty
  end
  return w
end

-- The record of an entry, if it is the one that the entry knows; otherwise what
-- to answer.
local function find(key, want, slots)
  local record = records[key]
  if record then
    if record.prefix == want then return record end
    return nil, 'S'
  end
  local header = range(KEYS[key], 0, 22 + slots * 21)
  if header == '' then return nil, 'A' end
  if sub(header, 1, 8) ~= want or #header < 23 + slots * 21 then
    if sent[key] then return nil, 'S' end
    sent[key] = true
    local whole = range(KEYS[key], 0, -1)
    return nil, 'R' .. p56(#whole) .. whole
  end
  record = {header = header, prefix = want, slots = slots, balance = u56(header, 9), next = u56(header, 16)}
  records[key] = record
  return record
end

-- The first guard from i on that holds something else, as an answer.
local function changed(i, count)
  for g = 1, count do
    local a, b = byte(blob, i, i + 1)
    local key = a * 256 + b
    local is = guards[key]
    if not is then
      is = range(KEYS[key], 0, 7)
      if is == '' then is = NONE end
      guards[key] = is
    end
    if is ~= sub(blob, i + 2, i + 9) then return 'G' .. char(g) .. is end
    i = i + 10
  end
end

-- Looks at the limits from i on. Gives the windows and what is left of each, and
-- whether all of them let the entry through. A window that two of them share has
-- to have room for both. A limit of 0 lets nothing through, not even a look.
local function look(record, i, count)
  local windows, rooms, costs, pass = {}, {}, {}, true
  for j = 1, count do
    local a, b, place = byte(blob, i, i + 2)
    local limit, duration, cost = u56(blob, i + 3), u56(blob, i + 10), u56(blob, i + 17)
    local w
    if place > 0 then w = slot(record, place, duration) else w = counter(a * 256 + b, duration) end
    local room = limit > 0 and window_room(w[2], w[3], limit, duration, now) - (w.pending or 0) or -1
    if cost > room then pass = false end
    w.pending = (w.pending or 0) + cost
    windows[j], rooms[j], costs[j] = w, room, cost
    i = i + 24
  end
  for j = 1, count do windows[j].pending = nil end
  return windows, rooms, costs, pass
end

-- What is left of each limit, for the answer.
local function report(rooms, costs, spent)
  local s = ''
  for j = 1, #rooms do
    local room, denied = rooms[j], '\0'
    if costs[j] > room then denied = '\1' end
    if spent then room = room - costs[j] end
    if room < 0 then room = 0 end
    s = s .. p56(room) .. denied
  end
  return s
end

-- Gives back what was taken from the limits from i on, in the window it was taken.
local function give_back(i, count)
  for _ = 1, count do
    local a, b = byte(blob, i, i + 1)
    local taken, duration, cost = u56(blob, i + 3), u56(blob, i + 10), u56(blob, i + 17)
    local w = counter(a * 256 + b, duration)
    if w[1] == taken then w[2] = math.max(0, w[2] - cost)
    elseif w[1] == taken + 1 then w[3] = math.max(0, w[3] - cost) end
    w.dirty = true
    i = i + 24
  end
end

-- Spends what was found to be there.
local function spend(record, windows, costs, cost)
  for j = 1, #windows do
    if costs[j] > 0 then
      local w = windows[j]
      w[2] = w[2] + costs[j]
      w.dirty = true
      if record then record.windows = true end
    end
  end
  if record and cost > 0 then
    record.balance = record.balance - cost
    record.dirty = true
  end
end

-- Decides an entry that is current.
local function decide(record, i, verdict, limits, count)
  local expires, limited, cost = u56(blob, i), byte(blob, i + 7) == 1, u56(blob, i + 8)
  local head = ''
  if limited then
    local amount = u56(blob, i + 15)
    if amount > 0 then
      record.balance, record.next = refill_settle(record.balance, record.next, amount, byte(blob, i + 22), now)
    end
    head = p56(record.balance)
  end
  if verdict == 1 then return 'C' .. head end
  if expires > 0 and now >= expires then return 'E' .. head end
  if verdict == 2 then return 'C' .. head end
  local windows, rooms, costs, pass = look(record, limits, count)
  if not pass then return 'L' .. head .. report(rooms, costs, false) end
  if not limited then
    cost = 0
  elseif cost > record.balance then
    return 'U' .. head .. report(rooms, costs, false)
  end
  spend(record, windows, costs, cost)
  if limited then head = p56(record.balance) end
  return 'V' .. head .. report(rooms, costs, true)
end

while at <= size do
  local a, b = byte(blob, at, at + 1)
  local key, verdict, guarded, slots, count = a * 256 + b, byte(blob, at + 10, at + 13)
  local limits = at + 37 + guarded * 10
  local record, answer
  if key > 0 then record, answer = find(key, sub(blob, at + 2, at + 9), slots) end
  -- Whether there is a key is told to those alone who may know.
  if not answer or answer == 'A' then answer = changed(at + 37, guarded) or answer end
  if not answer then
    if verdict == 3 then
      give_back(limits, count)
      answer = 'C'
    else
      answer = decide(record, at + 14, verdict, limits, count)
    end
  end
  o = o + 1
  out[o] = answer
  at = limits + count * 24
end

for key, record in pairs(records) do
  if record.windows then
    local s = {p56(record.balance), p56(record.next), char(record.slots)}
    for i = 1, record.slots do
      local w = record[i]
      s[i + 3] = w and p56(w[1]) .. p56(w[2]) .. p56(w[3]) or sub(record.header, 24 + (i - 1) * 21, 23 + i * 21)
    end
    redis.call('SETRANGE', KEYS[key], 8, concat(s))
  elseif record.dirty then
    redis.call('SETRANGE', KEYS[key], 8, p56(record.balance) .. p56(record.next))
  end
end
for key, w in pairs(counters) do
  if w.dirty then redis.call('SET', KEYS[key], p56(w[1]) .. p56(w[2]) .. p56(w[3]), 'PX', string.format('%.0f', w.ttl)) end
end
return concat(out)
