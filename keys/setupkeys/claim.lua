-- Changes a claim, if it is as expected. KEYS: the claim. ARGV: what it must be, what it
-- shall be; '' is none. Returns what it is then.
local is = redis.call('GET', KEYS[1]) or ''
if is ~= ARGV[1] then return {is} end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2]) end
return {ARGV[2]}
