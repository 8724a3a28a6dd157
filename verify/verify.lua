-- Verifications, each all or nothing, in the order they arrived.
--
-- KEYS: every name that one of them uses, each once, then the marker of the store, or of
-- the shard on a Cluster, then the counters.
-- ARGV: texts as call.go writes them: the guards, the entries, and where there are
-- counters what those that are made count towards. Nothing is written before every entry
-- is decided: only the first write can be refused (no memory, read-only), and then
-- nothing was spent.
--
-- Returns one text: the time, then for each entry what follows, and 'w' if anything was written, otherwise '-'.
--   'A'  there is no such key
--   'M'  neither is the marker of the store, which has lost its data or was never used
--   'R'  the record is another one: its length and itself
--   'S'  the same, given to an earlier entry: ask again
--   'G'  a guard holds another revision: its number and what it holds
--   'I'  it would make more counters than its key may have, 'W' than its workspace may
--   'V' valid, 'L' over a limit, 'U' balance below the cost, 'E' expired,
--   'C' the caller's own refusal stands; then the balance, or 0 where there is
--   none, and where the limits were looked at ('V', 'L', 'U') what is left of each,
--   and if it refuses.
local now = clock()
local take, make, rep, unpack, call, try = struct.unpack, struct.pack, string.rep, unpack, redis.call, redis.pcall
local KEYS = KEYS -- a local is found faster than a global
local NONE = '\0\0\0\0\0\0\0\0' -- the revision of what is not there
local out, o = {p56(now)}, 1

-- The offsets are texts: Redis would print a number as a float, which costs more
-- than the reading.
local function range(name, from, to)
  local s = try('GETRANGE', name, from, to)
  if #s > 0 then return s end -- the length of an error, which is a table, is 0
  return ''
end

-- A format that is known for none and one, with its last part n times.
local function format(known, part, n)
  known[n] = known[1] .. rep(part, n - 1)
  return known[n]
end

-- A record is the fields of its header in a list, so that one call takes it apart
-- and one puts it together again: the mark, the revision, the balance, the next
-- refill, the number of slots, then for the window in each slot its number, its
-- count and the count of the one before.
local whole = {[0] = '>BI7I7I7B', '>BI7I7I7BI7I7I7'}
local rest = {[0] = '>I7I7B', '>I7I7BI7I7I7'}
local ends = {[0] = '22', '43', '64', '85'}
local records, sent, spent = {}, {}, {}

-- The record of an entry, if it is the one that the entry knows; otherwise what
-- to answer.
local function find(key, mark, revision, slots)
  local r = records[key]
  if r then
    if r[2] == revision and r[1] == mark then return r end
  else
    local size = 23 + slots * 21
    local header = range(KEYS[key], '0', ends[slots] or tostring(size - 1))
    if header == '' then return nil, 'A' end
    if #header == size then
      r = {take(whole[slots] or format(whole, 'I7I7I7', slots), header)}
      if r[2] == revision and r[1] == mark then
        records[key] = r
        return r
      end
    end
  end
  -- That another entry knows the record does not help this one: several secrets have one.
  if sent[key] then return nil, 'S' end
  sent[key] = true
  local text = range(KEYS[key], '0', '-1')
  return nil, 'R' .. p56(#text) .. text
end

-- Brings the window at i of a list to now, and reports whether it must be written
-- even by a refusal: one that lies ahead, because the clock was set back, counts
-- for now, and a full limit would stay full until then otherwise.
local function roll(list, i, duration)
  local was = list[i]
  if window_lasts(was, duration, now) then return false end
  list[i], list[i + 1], list[i + 2] = window_roll(was, list[i + 1], list[i + 2], duration, now)
  return was > list[i]
end

-- The window of a counter: a list like a slot's, and behind it the number of the
-- window that is stored, -1 for none. All counters are read at once.
local absent -- whether one that was looked at is not stored
local counters, counted, others = {}, {}, take('>I2', ARGV[1])
local stored = #KEYS > others and call('MGET', unpack(KEYS, others + 1)) or counters
local function counter(key, duration)
  local w = counters[key]
  if not w then
    local s = stored[key]
    w = {0, 0, 0, -1}
    if s and #s == 21 then
      w = {take('>I7I7I7', s)}
      w[4] = w[1]
    else
      absent = true
    end
    if roll(w, 1, duration) then counted[key] = duration end
    counters[key] = w
  end
  return w
end

-- The limits of one entry: the list that holds each one's count and where, what is
-- left, what it costs, its counter (0 is a slot) and how long its window is.
local lists, places, rooms, costs, names, durations = {}, {}, {}, {}, {}, {}

-- Looks at the limits from i on, and reports whether all of them let the entry
-- through. A counter that two of them share has to have room for both. A limit of
-- 0 lets nothing through, not even a look.
local function look(blob, i, count, key, record)
  local pass, pending = true, count > 1 and {}
  for j = 1, count do
    local name, slot, limit, duration, cost = take('>I2BI7I7I7', blob, i)
    local list, place = record, slot * 3 + 3
    if slot == 0 then
      list, place = counter(name, duration), 1
    elseif roll(list, place, duration) then
      spent[key] = record
    end
    local room = limit > 0 and window_room(list[place + 1], list[place + 2], limit, duration, now) or -1
    if pending and slot == 0 then
      room = room - (pending[name] or 0)
      pending[name] = (pending[name] or 0) + cost
    end
    if cost > room then pass = false end
    lists[j], places[j], rooms[j], costs[j], names[j], durations[j] = list, place + 1, room, cost, name, duration
    i = i + 24
  end
  return pass
end

-- Takes the costs from the limits.
local function spend(count, key, record)
  for j = 1, count do
    local cost = costs[j]
    if cost > 0 then
      local list, place = lists[j], places[j]
      list[place] = list[place] + cost
      if names[j] > 0 then counted[names[j]] = durations[j] else spent[key] = record end
    end
  end
end

local too_many, note_counter, write_owners -- see counters.lua

-- Refunds what was taken from the limits from i on, in the window it was taken.
local function refund(blob, i, count)
  for _ = 1, count do
    local name, _, taken, duration, cost = take('>I2BI7I7I7', blob, i)
    local w = counter(name, duration)
    if w[1] == taken then w[2] = math.max(0, w[2] - cost)
    elseif w[1] == taken + 1 then w[3] = math.max(0, w[3] - cost) end
    if w[4] >= 0 then counted[name] = duration end -- what has ended is not made for this
    i = i + 24
  end
end

-- What is answered to an entry that was decided, as a list that is used again.
local formats, answer = {[0] = '>c1I7', '>c1I7I7B'}, {}
local function reply(status, left, count, taken)
  answer[1], answer[2] = status, left
  for j = 1, count do
    local room = rooms[j]
    answer[j * 2 + 2] = costs[j] > room and 1 or 0
    if taken then room = room - costs[j] end
    answer[j * 2 + 1] = room < 0 and 0 or room
  end
  return make(formats[count] or format(formats, 'I7B', count), unpack(answer, 1, count * 2 + 2))
end

-- Whether the marker is gone, which is looked at only where a record is absent; nil before.
-- It is no function, and neither is anything else that few calls need: each that is made costs
-- every call.
local lost

-- What is answered where a guard does not hold, by the number of the set of
-- guards; false where all hold.
local changed = {[0] = false}
do
  local text, at, held = ARGV[1], 3, {}
  while at <= #text do
    local count = byte(text, at)
    local set = #changed + 1
    changed[set] = false
    for g = 1, count do
      local key, want = take('>I2c8', text, at + g * 10 - 9)
      local is = held[key] or range(KEYS[key], '0', '7')
      if is == '' then is = NONE end
      held[key] = is
      if is ~= want and not changed[set] then changed[set] = 'G' .. char(g) .. is end
    end
    at = at + 1 + count * 10
  end
end

local blob, at = ARGV[2], 1
while at <= #blob do
  local key, mark, revision, set, verdict, slots, count, limited, expires, cost, amount, day =
    take('>I2BI7BBBBBI7I7I7B', blob, at)
  local record, failure
  if key > 0 then record, failure = find(key, mark, revision, slots) end
  -- Only those who may know learn whether there is a key.
  if not failure or failure == 'A' then failure = changed[set] or failure end
  if failure == 'A' then
    if lost == nil then lost = call('EXISTS', KEYS[others]) == 0 end
    if lost then failure = 'M' end
  end
  o = o + 1
  if failure then
    out[o] = failure
  elseif verdict == 3 then
    refund(blob, at + 37, count)
    out[o] = reply('C', 0, 0)
  else
    local left, status, looked = 0, 'V', 0
    if limited == 1 then
      if amount > 0 then
        local boundary = record[4]
        record[3], record[4] = refill_settle(record[3], boundary, amount, day, now)
        if record[4] < boundary then spent[key] = record end -- a wrong clock's: also a refusal writes the right one
      end
      left = record[3]
    end
    if verdict == 1 then status = 'C'
    elseif expires > 0 and now >= expires then status = 'E'
    elseif verdict == 2 then status = 'C'
    else
      looked = count
      if not look(blob, at + 37, count, key, record) then status = 'L'
      elseif limited == 1 and cost > left then status = 'U'
      else
        if absent and not too_many then
          too_many, note_counter, write_owners = make_counters(now, KEYS, ARGV, others, names, costs, counters)
        end
        local refusal = absent and too_many(count)
        if refusal then status, left, looked = refusal, 0, 0
        else
          spend(count, key, record)
          if limited == 1 and cost > 0 then
            left = left - cost
            record[3], spent[key] = left, record
          end
        end
      end
    end
    out[o] = reply(status, left, looked, status == 'V')
  end
  at = at + 37 + count * 24
end

for key, r in pairs(spent) do
  local slots = r[5]
  call('SETRANGE', KEYS[key], '8', make(rest[slots] or format(rest, 'I7I7I7', slots), unpack(r, 3, slots * 3 + 5)))
end
for key, duration in pairs(counted) do
  local w = counters[key]
  local s = make('>I7I7I7', w[1], w[2], w[3])
  -- In a window that is stored already the key lives long enough.
  local name = KEYS[others + key]
  if w[1] == w[4] then call('SETRANGE', name, '0', s)
  else
    local life = 2 * duration
    if w[4] < 0 or duration >= 60000 then -- a shorter window that is renewed is not worth it
      if not note_counter then
        too_many, note_counter, write_owners = make_counters(now, KEYS, ARGV, others, names, costs, counters)
      end
      note_counter(key, life, w[4] < 0)
    end
    call('SET', name, s, 'PX', string.format('%.0f', life))
  end
end
if write_owners then write_owners() end
out[o + 1] = (next(spent) or next(counted)) and 'w' or '-'
return concat(out)
