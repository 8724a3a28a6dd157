-- What an index of folded names is made from: how many names there are, and the revision
-- that every deletion of one raises. While both stand no name was added and none taken
-- away, so an index that was made from them is current.
local function names_stand(names, revision)
  return redis.call('HLEN', names) .. ' ' .. (redis.call('GET', revision) or '')
end
