-- Changes definitions of one workspace together: first every condition, then every
-- write. KEYS: names of the workspace's tag. ARGV: the revision with which the change was
-- prepared, '' for none; '1' where it may be made while Redis is full; then operations of
-- four: what, which key, a field, a value. A raise makes a revision beyond that one, even
-- unless another change is prepared as well: see revisions.go. Each raise has its
-- preparation, in the same order.
-- Returns 0 and the value of each raise, or the number of the operation whose
-- condition does not hold, and what is there, of names what they stand at, or -1 where the preparation is over.
local now, micros = clock()
now = string.format('%.0f', now)

-- Changes nothing, and removes the preparations.
local function refuse(number, there)
  for i = 3, #ARGV, 4 do
    if ARGV[i] == 'prepared' then redis.call('ZREM', KEYS[tonumber(ARGV[i + 1])], ARGV[i + 2]) end
  end
  return {number, there}
end

local contested, folded = {}, {}
for i = 3, #ARGV, 4 do
  local op, key = ARGV[i], KEYS[tonumber(ARGV[i + 1])]
  if op == 'absent' then -- no such field
    local there = redis.call('HGET', key, ARGV[i + 2])
    if there then return refuse((i + 1) / 4, there) end
  elseif op == 'is' then -- exactly this text; '' for no such key
    local there = redis.call('GET', key) or ''
    if there ~= ARGV[i + 3] then return refuse((i + 1) / 4, there) end
  elseif op == 'current' then -- an index of folded names; the field and the value are the numbers of the names and of the revision
    local index = {key, KEYS[tonumber(ARGV[i + 2])], KEYS[tonumber(ARGV[i + 3])]}
    local stand = names_stand(index[2], index[3])
    if redis.call('HGET', key, '') ~= stand then return refuse((i + 1) / 4, stand) end
    folded[#folded + 1] = index
  elseif op == 'prepared' then -- and not ended; the value is for how many ms one lives at most
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
  elseif op == 'hdel' then -- where the field has this value
    if redis.call('HGET', key, field) == value then redis.call('HDEL', key, field) end
  elseif op == 'zadd' then redis.call('ZADD', key, 0, field)
  elseif op == 'zrem' then redis.call('ZREM', key, field)
  elseif op == 'prepared' then
    redis.call('ZREM', key, field)
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    -- A preparation that ends later than that was made by a wrong clock.
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
for _, index in ipairs(folded) do redis.call('HSET', index[1], '', names_stand(index[2], index[3])) end
return out
