-- Stores an entry, new or in the place of one, and trims its list.
-- KEYS: the list it goes to, the list that the one before is in.
-- ARGV: the id of the one before or '', letters for a new id, what is stored behind the id,
-- how many entries the list keeps at most or 0, for how many ms or 0, '1' where it may be stored
-- while Redis is full. Returns the id.
local step = 500 -- so many are trimmed at once, at most
local list, from, id = KEYS[1], KEYS[2], ARGV[1]
local most, life = tonumber(ARGV[4]), tonumber(ARGV[5])
local now = redis.call('TIME')
local new = id == ''
if new then id = string.format('aud_%010d%06d%s', tonumber(now[1]), tonumber(now[2]), ARGV[2]) end
local entry = id .. '\n' .. ARGV[3]

-- Removes at least as many bytes as the entry adds from the list, or all of it. While Redis
-- is full it refuses what could take memory, unless another write came before it.
local function make_room()
  local room = 0
  while room < #entry do
    local oldest = redis.call('ZRANGE', list, 0, 0)[1]
    if not oldest then break end
    redis.call('ZREM', list, oldest)
    room = room + #oldest
  end
  redis.call('PERSIST', list)
end

local function trim(excess)
  if excess > 0 then redis.call('ZREMRANGEBYRANK', list, 0, math.min(excess, step) - 1) end
end

if new then
  local done = redis.pcall('ZADD', list, 0, entry)
  if type(done) == 'table' and done.err then
    if ARGV[6] == '1' then make_room() end
    redis.call('ZADD', list, 0, entry)
  end
else
  redis.call('PERSIST', list) -- which lets the entry be stored
  for _, before in ipairs(redis.call('ZRANGEBYLEX', from, '[' .. id .. '\n', '(' .. id .. '\v')) do
    redis.call('ZREM', from, before)
  end
  redis.call('ZADD', list, 0, entry)
end
if most > 0 then trim(redis.call('ZCARD', list) - most) end
if life > 0 then
  local ends = string.format('%016.0f', (tonumber(now[1]) * 1000 - life) * 1000)
  trim(redis.call('ZLEXCOUNT', list, '-', '(aud_' .. ends))
  redis.call('PEXPIRE', list, ARGV[5])
else
  redis.call('PERSIST', list)
end
return {id}
