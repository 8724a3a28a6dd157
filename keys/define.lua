-- Changes definitions of one workspace together: first every condition, then
-- every write. KEYS: names of the workspace's tag. ARGV: the revision by which the
-- change was announced, '' where none is, '1' where it may be made while Redis is full,
-- then operations of four: what, which key,
-- a field, a value. A raise gives a revision beyond that one, even unless another change
-- is announced as well: see revisions.go. Each raise has its announcement, in their order.
-- Returns 0 and the value of each raise, or the number of the operation whose
-- condition does not hold, and what is there, or -1 where the announcement is over.
local now, micros = clock()
now = string.format('%.0f', now)

-- Nothing is changed, and nothing announced any more.
local function refuse(number, there)
  for i = 3, #ARGV, 4 do
    if ARGV[i] == 'announced' then redis.call('ZREM', KEYS[tonumber(ARGV[i + 1])], ARGV[i + 2]) end
  end
  return {number, there}
end

local contested = {}
for i = 3, #ARGV, 4 do
  local op, key = ARGV[i], KEYS[tonumber(ARGV[i + 1])]
  if op == 'absent' then -- no such field
    local there = redis.call('HGET', key, ARGV[i + 2])
    if there then return refuse((i + 1) / 4, there) end
  elseif op == 'is' then -- exactly this text; '' for no such key
    local there = redis.call('GET', key) or ''
    if there ~= ARGV[i + 3] then return refuse((i + 1) / 4, there) end
  elseif op == 'announced' then -- and still waited for; the value is for how many ms one is at most
    local ends, latest = tonumber(redis.call('ZSCORE', key, ARGV[i + 2]) or '0'), tonumber(now) + tonumber(ARGV[i + 3])
    if ends <= tonumber(now) or ends > latest then return refuse(-1, '') end
    contested[#contested + 1] = redis.call('ZCOUNT', key, '(' .. now, string.format('%.0f', latest)) > 1
  end
end
if ARGV[2] == '1' then store_while_full(KEYS[1]) end
local out = {0}
for i = 3, #ARGV, 4 do
  local op, key, field, value = ARGV[i], KEYS[tonumber(ARGV[i + 1])], ARGV[i + 2], ARGV[i + 3]
  if op == 'set' then redis.call('SET', key, value)
  elseif op == 'del' then redis.call('DEL', key)
  elseif op == 'hset' then redis.call('HSET', key, field, value)
  elseif op == 'hdel' then redis.call('HDEL', key, field)
  elseif op == 'zadd' then redis.call('ZADD', key, 0, field)
  elseif op == 'zrem' then redis.call('ZREM', key, field)
  elseif op == 'announced' then
    redis.call('ZREM', key, field)
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    -- What is waited for later than that was announced by a wrong clock.
    redis.call('ZREMRANGEBYSCORE', key, '(' .. string.format('%.0f', tonumber(now) + tonumber(value)), '+inf')
  elseif op == 'raise' then
    local p = redis.call('GET', key) or ''
    if less(p, ARGV[1]) then p = ARGV[1] end
    p = raised(p, micros)
    local n = u56(p, 2)
    if n % 2 ~= (contested[#out] and 1 or 0) then p = sub(p, 1, 1) .. p56(n + 1) end
    redis.call('SET', key, p)
    out[#out + 1] = p
  end
end
return out
