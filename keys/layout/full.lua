-- While Redis is full it refuses a script's first write if that could take memory, and
-- none behind another write. PERSIST takes none, and changes nothing of a name that
-- does not expire, so what follows it is stored. It is for revocations, and for what does
-- not make what is stored longer: everything else must not fill Redis further.
local function store_while_full(name) redis.call('PERSIST', name) end
