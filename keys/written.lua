-- What of all that this server did before is in its append-only file: 'w', all; 'p' and the
-- server's run id, not all; '' where it keeps no such file or does not let itself be asked.
-- ARGV: the run id that must not have changed, or ''; 'x' where it has.
local told = redis.pcall('INFO', 'persistence')
if type(told) ~= 'string' or not string.find(told, '\naof_pending_bio_fsync:', 1, true) then return '' end
local written = string.find(told, '\naof_pending_bio_fsync:0', 1, true)
if written and ARGV[1] == '' then return 'w' end
local run = string.match(redis.call('INFO', 'server'), '\nrun_id:(%x+)')
if not written then return 'p' .. run end
return run == ARGV[1] and 'w' or 'x'
