-- Changes definitions of one workspace together: first every condition, then
-- every write. KEYS: names of the workspace's tag. ARGV: the revision by which the
-- change was announced, '' where none is, then operations of four: what, which key,
-- a field, a value. A raise gives an even revision, beyond that one: see revisions.go.
-- Returns 0 and the value of each raise, or the number of the operation whose
-- condition does not hold, and what is there, or -1 where another change came in
-- between: it has to be announced anew.
local _, micros = clock()
for i = 2, #ARGV, 4 do
  local op, key = ARGV[i], KEYS[tonumber(ARGV[i + 1])]
  if op == 'absent' then -- no such field
    local there = redis.call('HGET', key, ARGV[i + 2])
    if there then return {(i + 2) / 4, there} end
  elseif op == 'is' then -- exactly this text; '' for no such key
    local there = redis.call('GET', key) or ''
    if there ~= ARGV[i + 3] then return {(i + 2) / 4, there} end
  elseif op == 'raise' and ARGV[1] ~= '' then
    if less(ARGV[1], redis.call('GET', key) or '') then return {-1} end
  end
end
local out = {0}
for i = 2, #ARGV, 4 do
  local op, key, field, value = ARGV[i], KEYS[tonumber(ARGV[i + 1])], ARGV[i + 2], ARGV[i + 3]
  if op == 'set' then redis.call('SET', key, value)
  elseif op == 'del' then redis.call('DEL', key)
  elseif op == 'hset' then redis.call('HSET', key, field, value)
  elseif op == 'hdel' then redis.call('HDEL', key, field)
  elseif op == 'zadd' then redis.call('ZADD', key, 0, field)
  elseif op == 'zrem' then redis.call('ZREM', key, field)
  elseif op == 'raise' then
    local p = redis.call('GET', key) or ''
    if less(p, ARGV[1]) then p = ARGV[1] end
    p = raised(p, micros)
    local n = u56(p, 2)
    if n % 2 == 1 then p = sub(p, 1, 1) .. p56(n + 1) end
    redis.call('SET', key, p)
    out[#out + 1] = p
  end
end
return out
