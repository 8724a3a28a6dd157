-- Says what a server does with writes, and changes nothing. KEYS: a marker.
-- Returns 'lost' where that is gone, 'full' where no memory is left, 'ok' otherwise; it fails
-- where no write is taken at all.
local there = redis.call('EXISTS', KEYS[1]) == 1
local room = there and redis.pcall('SETRANGE', KEYS[1], '0', '')
redis.call('PERSIST', KEYS[1])
if not there then return {'lost'} end
if type(room) == 'table' and string.find(room.err or '', 'OOM', 1, true) then return {'full'} end
return {'ok'}
