-- Adds to the counts of subjects' days. KEYS: the days. ARGV: operations of six:
-- which day, its field, the field that takes its place where there is no room for
-- another one ('' for always room), how many, how many fields are room, the end of
-- the day's life. Which field is written depends on what an earlier operation
-- wrote, so reads and writes alternate: no write is refused after the first.
for i = 1, #ARGV, 6 do
  local key, field = KEYS[tonumber(ARGV[i])], ARGV[i + 1]
  if ARGV[i + 2] ~= '' and redis.call('HLEN', key) >= tonumber(ARGV[i + 4]) and redis.call('HEXISTS', key, field) == 0 then
    field = ARGV[i + 2]
  end
  if redis.call('HINCRBY', key, field, ARGV[i + 3]) == tonumber(ARGV[i + 3]) then
    redis.call('PEXPIREAT', key, ARGV[i + 5])
  end
end
return {1}
