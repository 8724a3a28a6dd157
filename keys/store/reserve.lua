-- Writes what is at a place that a key is moving to. KEYS: record, tombstone. ARGV: the revision
-- that it must have now ('' when nothing must be there), what is stored behind the
-- new one, and for how many ms ('0' for ever).
-- Returns the new revision, or false and what is there ('' also for a tombstone).
local _, micros = clock()
local old = redis.call('GET', KEYS[1]) or ''
if sub(old, 1, 8) ~= ARGV[1] then return {false, old} end
if old == '' and redis.call('EXISTS', KEYS[2]) == 1 then return {false, ''} end
local revision = raised(sub(old, 1, 8), micros)
if ARGV[3] == '0' then
  redis.call('SET', KEYS[1], revision .. ARGV[2])
else
  redis.call('SET', KEYS[1], revision .. ARGV[2], 'PX', ARGV[3])
end
return {revision, ''}
