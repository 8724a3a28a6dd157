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
local take, make = struct.unpack, struct.pack
local records, sent, counters, guards = {}, {}, {}, {}
local NONE = '\0\0\0\0\0\0\0\0' -- the prefix of what is not there
local out, o = {p56(now)}, 1

-- The offsets are texts: Redis would print a number as a float, which costs more
-- than the reading.
local function range(name, from, to)
  local s = redis.pcall('GETRANGE', name, from, to)
  if type(s) == 'string' then return s end
  return ''
end

-- A window as it is now: its number, the count, the count of the one before. One
-- that lies ahead, because the clock was set back, is written as what it counts
-- for now even by a refusal: a full limit would stay full until then otherwise.
local function window(s, i, duration)
  local was, count, before = 0, 0, 0
  if #s >= i + 20 then was, count, before = take('>I7I7I7', s, i) end
  local index, current, previous = window_roll(was, count, before, duration, now)
  return {index = index, current = current, previous = previous, pending = 0, dirty = was > index, ttl = 2 * duration}
end

-- The window of a counter key, read once.
local function counter(key, duration)
  local w = counters[key]
  if not w then
    w = window(range(KEYS[key], '0', '20'), 1, duration)
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

-- Where the header of a record with so many slots ends.
local ends = {[0] = '22', '43', '64', '85'}

-- The record of an entry, if it is the one that the entry knows; otherwise what
-- to answer.
local function find(key, want, slots)
  local record = records[key]
  if record then
    if record.prefix == want then return record end
    return nil, 'S'
  end
  local header = range(KEYS[key], '0', ends[slots] or tostring(22 + slots * 21))
  if header == '' then return nil, 'A' end
  if sub(header, 1, 8) ~= want or #header < 23 + slots * 21 then
    if sent[key] then return nil, 'S' end
    sent[key] = true
    local whole = range(KEYS[key], '0', '-1')
    return nil, 'R' .. p56(#whole) .. whole
  end
  record = {header = header, prefix = want, slots = slots, balance = false, next = false, dirty = false, windows = false, false}
  records[key] = record
  return record
end

-- The first of the guards from i on that holds something else, as an answer.
local function changed(i, count)
  for g = 1, count do
    local key, want = take('>I2c8', blob, i)
    local is = guards[key]
    if not is then
      is = range(KEYS[key], '0', '7')
      if is == '' then is = NONE end
      guards[key] = is
    end
    if is ~= want then return 'G' .. char(g) .. is end
    i = i + 10
  end
end

-- The limits of one entry: their windows, what is left of each, what it costs.
local windows, rooms, costs = {}, {}, {}

-- Looks at the limits from i on, and tells whether all of them let the entry
-- through. A window that two of them share has to have room for both. A limit of 0
-- lets nothing through, not even a look.
local function look(record, i, count)
  local pass = true
  for j = 1, count do
    local key, place, limit, duration, cost = take('>I2BI7I7I7', blob, i)
    local w = place > 0 and slot(record, place, duration) or counter(key, duration)
    local room = limit > 0 and window_room(w.current, w.previous, limit, duration, now) - w.pending or -1
    if cost > room then pass = false end
    w.pending = w.pending + cost
    windows[j], rooms[j], costs[j] = w, room, cost
    i = i + 24
  end
  for j = 1, count do windows[j].pending = 0 end
  return pass
end

-- Answers what is left of each limit.
local function report(count, spent)
  for j = 1, count do
    local room, denied = rooms[j], 0
    if costs[j] > room then denied = 1 end
    if spent then room = room - costs[j] end
    if room < 0 then room = 0 end
    o = o + 1
    out[o] = make('>I7B', room, denied)
  end
end

-- Gives back what was taken from the limits from i on, in the window it was taken.
local function give_back(i, count)
  for _ = 1, count do
    local key, _, taken, duration, cost = take('>I2BI7I7I7', blob, i)
    local w = counter(key, duration)
    if w.index == taken then w.current = math.max(0, w.current - cost)
    elseif w.index == taken + 1 then w.previous = math.max(0, w.previous - cost) end
    w.dirty = true
    i = i + 24
  end
end

-- Takes the costs from the limits.
local function spend(record, count)
  for j = 1, count do
    if costs[j] > 0 then
      local w = windows[j]
      w.current = w.current + costs[j]
      w.dirty = true
      if record then record.windows = true end
    end
  end
end

-- The balance of a record, read once, with a refill that is due.
local function balance(record, amount, day)
  if not record.balance then record.balance, record.next = take('>I7I7', record.header, 9) end
  if amount > 0 then
    record.balance, record.next = refill_settle(record.balance, record.next, amount, day, now)
  end
  return record.balance
end

while at <= size do
  local key, want, verdict, guarded, slots, count, limited, expires, cost, amount, day = take('>I2c8BBBBBI7I7I7B', blob, at)
  local limits = at + 37 + guarded * 10
  local record, answer
  if key > 0 then record, answer = find(key, want, slots) end
  -- Whether there is a key is told to those alone who may know.
  if not answer or answer == 'A' then answer = changed(at + 37, guarded) or answer end
  o = o + 1
  if answer then
    out[o] = answer
  elseif verdict == 3 then
    give_back(limits, count)
    out[o] = 'C'
  else
    local left, first = limited == 1 and balance(record, amount, day), o
    local status, looked = 'V', false
    if verdict == 1 then status = 'C'
    elseif expires > 0 and now >= expires then status = 'E'
    elseif verdict == 2 then status = 'C'
    else
      looked = true
      if not look(record, limits, count) then status = 'L'
      elseif left and cost > left then status = 'U'
      else
        spend(record, count)
        if left and cost > 0 then
          left = left - cost
          record.balance, record.dirty = left, true
        end
      end
    end
    if looked then report(count, status == 'V') end
    out[first] = left and make('>c1I7', status, left) or status
  end
  at = limits + count * 24
end

for key, record in pairs(records) do
  if record.windows then
    local left, next = record.balance, record.next
    if not left then left, next = take('>I7I7', record.header, 9) end
    local s = make('>I7I7B', left, next, record.slots)
    for i = 1, record.slots do
      local w = record[i]
      s = s .. (w and make('>I7I7I7', w.index, w.current, w.previous) or sub(record.header, 24 + (i - 1) * 21, 23 + i * 21))
    end
    redis.call('SETRANGE', KEYS[key], '8', s)
  elseif record.dirty then
    redis.call('SETRANGE', KEYS[key], '8', make('>I7I7', record.balance, record.next))
  end
end
for key, w in pairs(counters) do
  if w.dirty then redis.call('SET', KEYS[key], make('>I7I7I7', w.index, w.current, w.previous), 'PX', string.format('%.0f', w.ttl)) end
end
return concat(out)
