-- Redeems a setup key for a peer, once. KEYS: record, what each peer was told, peers by
-- time, the withdrawn claims. ARGV: the revision that the record must have, when it ends
-- (unix ms, 0 for never), the balance it began with, the peer, '1' where the peer asks
-- for more than the key gives, the groups, and the token of the peer's claim, '' to look
-- alone.
-- Returns what came of it, and what the peer is told: the time of its redemption,
-- the uses up to it, the groups then. A peer that redeemed before is told the same
-- again, also when the key has ended by now or no use is left; it needs no claim for
-- that. Where all is well but for the claim it is 'unclaimed' or 'withdrawn'.
local now = clock()
local header = redis.call('GETRANGE', KEYS[1], 0, 22)
if sub(header, 1, 8) ~= ARGV[1] then return {'changed', ''} end
local expires = tonumber(ARGV[2])
local told, balance = redis.call('HGET', KEYS[2], ARGV[4]), u56(header, 9)
if not told and expires > 0 and now >= expires then return {'expired', ''} end
if not told and balance < 1 then return {'overused', ''} end
if ARGV[5] == '1' then return {'denied', ''} end
if told then return {'redeemed', told} end
if ARGV[7] == '' then return {'unclaimed', ''} end
local withdrawn = redis.call('HGET', KEYS[4], ARGV[4])
if withdrawn == ARGV[7] then return {'withdrawn', ''} end
balance = balance - 1
told = p56(now) .. p56(tonumber(ARGV[3]) - balance) .. ARGV[6]
redis.call('SETRANGE', KEYS[1], 8, p56(balance))
redis.call('HSET', KEYS[2], ARGV[4], told)
redis.call('ZADD', KEYS[3], string.format('%.0f', now), ARGV[4])
if withdrawn then redis.call('HDEL', KEYS[4], ARGV[4]) end
return {'redeemed', told}
