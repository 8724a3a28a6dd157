-- Verifications, each all or nothing, in the order they arrived.
--
-- KEYS: the marker of the store, or of the shard on a Cluster, then every name that one of
-- them uses, each once, then the counters.
-- ARGV: texts as call.go writes them: the guards and the entries, and where there are
-- counters what those that are made count towards. Nothing is written before every entry
-- is decided: only the first write can be refused (no memory, read-only), and then
-- nothing was spent.
--
-- Returns one text: the time, or 0 where no entry asks for it, then for each entry what
-- follows, and 'w' if anything was written, otherwise '-'.
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
--
-- Most batches are small, and what is made for a batch costs more than what is done for an
-- entry. So a function or a table is made where it is first needed: the fragments stand in
-- the blocks that need them.
local call, try, KEYS, take, make = redis.call, redis.pcall, KEYS, struct.unpack, struct.pack
local asked, now = ARGV[1], 0
local timed, sets, guards = take('>BBI2', asked)
if timed == 1 then
  local t = call('TIME')
  now = t[1] * 1000 + t[2] / 1000
  now = now - now % 1
end

-- What is answered where a guard does not hold, by the number of the set of guards; nil
-- where all hold.
local changed
local at, held = 5, sets > 1 and {} -- what guards hold that several sets may have
for _ = 1, guards do
  local set, which, key, want = take('>BBI2c8', asked, at)
  -- The offsets are texts: Redis would print a number as a float, which costs more than
  -- the reading.
  local is = held and held[key] or try('GETRANGE', KEYS[key], '0', '7')
  if held then held[key] = is end
  if is ~= want then
    if #is == 0 then is = '\0\0\0\0\0\0\0\0' end -- an error is a table, and like nothing
    changed = changed or {}
    if is ~= want and not changed[set] then changed[set] = make('>c1B', 'G', which) .. is end
  end
  at = at + 12
end

-- A record is the fields of its header in a list, so that one call takes it apart and one
-- puts it together again: the mark with the revision, the balance, the next refill, the
-- number of slots, then for the window in each slot its number, its count and the count
-- of the one before.
local records -- by their numbers, where there are several entries
local spent = {} -- the records that must be written, by their numbers
local unknown, settle, look -- functions
local answer, costs -- of the limits of one entry: what is answered; where the count of each is, and its cost
local heads, tails, answers -- formats, by how many windows they have

-- What limits count in that are not the key's own. The window of a counter is a list like
-- a slot's, and behind it the number of the window that is stored, -1 for none.
local counter, counters, counted, absent
local first -- how many names stand before theirs
local lists, names, durations -- of the limits of one entry: the list, its counter, how long its window is
local make_owners, too_many, note_counter, write_owners -- see counters.lua
if ARGV[2] then
  local floor = math.floor
  -- (counters.lua)
  make_owners = make_counters
  counters, counted, lists, names, durations = {}, {}, {}, {}, {}
  first = #KEYS - (#ARGV[2] - 7) / 4
  local stored = call('MGET', unpack(KEYS, first + 1)) -- all are read at once
  function counter(key)
    local w = counters[key]
    if w then return w end
    local s = stored[key]
    w = {0, 0, 0, -1}
    if s and #s == 21 then
      w = {take('>I7I7I7', s)}
      w[4] = w[1]
    else
      absent = true
    end
    counters[key] = w
    return w
  end
end

local out, o, reply = nil, 0, nil
while at <= #asked do
  local key, want, guarded, verdict, slots, count, limited, expires, cost, amount, day =
    take('>I2c8BBBBBI7I7I7B', asked, at)
  local behind = at + 37 + count * 24
  if not records and behind <= #asked then records, out = {}, {} end

  -- The record, if it is the one that the entry knows; otherwise what to answer.
  local record, failure
  if key > 0 then
    local header = ''
    record = records and records[key]
    -- For an entry that spends nothing of it, nothing but the revision was read.
    if record and limited == 1 and not record[2] then record = nil end
    if not record then
      local last, format = '22', '>c8I7I7B'
      if slots == 0 and limited == 0 then
        last = '7' -- nothing of it is spent
      elseif slots == 1 then
        last, format = '43', '>c8I7I7BI7I7I7'
      elseif slots > 1 then
        heads = heads or {}
        last, format = tostring(22 + slots * 21), heads[slots] or format .. string.rep('I7I7I7', slots)
        heads[slots] = format
      end
      header = try('GETRANGE', KEYS[key], '0', last)
      if #header == last + 1 then
        record = last == '7' and {header} or {take(format, header)}
        if records and record[1] == want then records[key] = record end
      end
    end
    if not record or record[1] ~= want then
      if not unknown then
        local sent, lost = {}, nil
        function unknown(key, header, known)
          if #header == 0 and not known then -- an error, which is a table, is like nothing
            if lost == nil then lost = call('EXISTS', KEYS[1]) == 0 end
            return lost and 'M' or 'A'
          end
          -- That another entry knows the record does not help this one: several secrets
          -- have one.
          if sent[key] then return 'S' end
          sent[key] = true
          local text = call('GETRANGE', KEYS[key], '0', '-1')
          return 'R' .. make('>I7', #text) .. text
        end
      end
      failure = unknown(key, header, record)
    end
  end
  -- Only those who may know learn whether there is a key.
  if changed and (not failure or failure == 'A' or failure == 'M') then failure = changed[guarded] or failure end

  if count > 0 and not look then
    -- (window.lua)
    look, answer, costs = window_look, {0, 0, 0, 0}, {0, 0}
  end
  if failure then
    reply = failure
  elseif verdict == 3 then
    -- A refund, in the windows from which the costs were taken.
    for i = at + 37, behind - 1, 24 do
      local name, _, taken, duration, cost = take('>I2BI7I7I7', asked, i)
      local w = counter(name)
      local _, ahead = look(w, 1, 0, duration, now)
      if w[1] == taken then w[2] = math.max(0, w[2] - cost)
      elseif w[1] == taken + 1 then w[3] = math.max(0, w[3] - cost) end
      if w[4] >= 0 or ahead then counted[name] = duration end -- what has ended is not made for this
    end
    reply = make('>c1I7', 'C', 0)
  else
    local left, status, looked = 0, 'V', 0
    if limited == 1 then
      if amount > 0 then
        if not settle then
          -- (refill.lua)
          settle = refill_settle
        end
        local boundary = record[3]
        record[2], record[3] = settle(record[2], boundary, amount, day, now)
        if record[3] < boundary then spent[key] = record end -- a wrong clock's: also a refusal writes the right one
      end
      left = record[2]
    end
    if verdict == 1 then status = 'C'
    elseif expires > 0 and now >= expires then status = 'E'
    elseif verdict == 2 then status = 'C'
    else
      -- All limits have to let the entry through. A counter that two of them share has to
      -- have room for both. A limit of 0 lets nothing through, not even a look.
      looked = count
      local pending = counter and count > 1 and {}
      for j = 1, count do
        local name, slot, limit, duration, cost = take('>I2BI7I7I7', asked, at + 13 + j * 24)
        local list, place = record, slot * 3 + 2
        if slot == 0 then list, place = counter(name), 1 end
        local room, ahead = look(list, place, limit, duration, now)
        -- One that lies ahead, because the clock was set back, counts for now, and a full
        -- limit would stay full until then if a refusal did not write it.
        if ahead and slot == 0 then counted[name] = duration
        elseif ahead then spent[key] = record end
        if limit == 0 then room = -1 end
        if pending and slot == 0 then
          room = room - (pending[name] or 0)
          pending[name] = (pending[name] or 0) + cost
        end
        costs[j * 2 - 1], costs[j * 2] = place + 1, cost
        if lists then lists[j], names[j], durations[j] = list, name, duration end
        local at = j * 2 + 1
        if cost <= room then answer[at], answer[at + 1] = room, 0
        else
          status = 'L'
          answer[at], answer[at + 1] = room < 0 and 0 or room, 1
        end
      end
      if status == 'V' and limited == 1 and cost > left then status = 'U' end
      if status == 'V' and absent then
        if not too_many then
          too_many, note_counter, write_owners = make_owners(now, KEYS, ARGV[2], first, names, costs, counters)
        end
        local refusal = too_many(count)
        if refusal then status, left, looked = refusal, 0, 0 end
      end
      if status == 'V' then
        for j = 1, count do
          local place, cost, list, at = costs[j * 2 - 1], costs[j * 2], record, j * 2 + 1
          if cost > 0 then
            if lists and names[j] > 0 then list, counted[names[j]] = lists[j], durations[j] else spent[key] = record end
            list[place], answer[at] = list[place] + cost, answer[at] - cost
          end
        end
        if limited == 1 and cost > 0 then
          left = left - cost
          record[2], spent[key] = left, record
        end
      end
    end
    if looked == 0 then reply = make('>c1I7', status, left)
    elseif looked == 1 then reply = make('>c1I7I7B', status, left, answer[3], answer[4])
    else
      answers = answers or {}
      answers[looked] = answers[looked] or '>c1I7' .. string.rep('I7B', looked)
      answer[1], answer[2] = status, left
      reply = make(answers[looked], unpack(answer, 1, looked * 2 + 2))
    end
  end
  if out then
    o = o + 1
    out[o] = reply
  end
  at = behind
end

local key, r = next(spent)
local written = key
while key do
  local slots, format = r[4], '>I7I7B'
  if slots == 1 then
    format = '>I7I7BI7I7I7'
  elseif slots > 1 then
    tails = tails or {}
    format = tails[slots] or format .. string.rep('I7I7I7', slots)
    tails[slots] = format
  end
  call('SETRANGE', KEYS[key], '8', make(format, unpack(r, 2, slots * 3 + 4)))
  key, r = next(spent, key)
end
if counted then
  for key, duration in pairs(counted) do
    written = key
    local w = counters[key]
    local s = make('>I7I7I7', w[1], w[2], w[3])
    -- In a window that is stored already the key lives long enough.
    local name = KEYS[first + key]
    if w[1] == w[4] then call('SETRANGE', name, '0', s)
    else
      local life = 2 * duration
      if w[4] < 0 or duration >= 60000 then -- a shorter window that is renewed is not worth it
        if not note_counter then
          too_many, note_counter, write_owners = make_owners(now, KEYS, ARGV[2], first, names, costs, counters)
        end
        note_counter(key, life, w[4] < 0)
      end
      call('SET', name, s, 'PX', string.format('%.0f', life))
    end
  end
  if write_owners then write_owners() end
end
written = written and 'w' or '-'
return make('>I7', now) .. (out and table.concat(out) or reply) .. written
