-- Withdraws the claim of a peer on a setup key, unless the peer redeemed it: redeem.lua
-- redeems nothing for a claim that was withdrawn. KEYS: record, what each peer was told,
-- the withdrawn claims. ARGV: the peer, the claim's token.
-- Returns 'redeemed' where the claim stands.
if redis.call('EXISTS', KEYS[1]) == 0 then return {'gone'} end
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then return {'redeemed'} end
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
return {'withdrawn'}
