-- Writes a part of a new index of folded names, under a name of its own; the last part puts
-- it in the place of the index.
-- KEYS: the names, the index, the revision, the new index. ARGV: what the names stood at
-- before they were read, '1' for the last part, for how many ms an unfinished index is
-- kept, pairs of a folded name and ids.
-- Returns 1, or 0 where the names changed meanwhile: then nothing is left of the new index.
if names_stand(KEYS[1], KEYS[3]) ~= ARGV[1] then
  redis.call('DEL', KEYS[4])
  return {0}
end
-- It holds what the names hold, so this does not let callers fill Redis further.
store_while_full(KEYS[1])
for i = 4, #ARGV, 2 do redis.call('HSET', KEYS[4], ARGV[i], ARGV[i + 1]) end
if ARGV[2] == '1' then
  redis.call('HSET', KEYS[4], '', ARGV[1])
  redis.call('PERSIST', KEYS[4])
  redis.call('RENAME', KEYS[4], KEYS[2])
else
  redis.call('PEXPIRE', KEYS[4], ARGV[3])
end
return {1}
