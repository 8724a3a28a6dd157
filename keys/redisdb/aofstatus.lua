-- What of all that this server did before is in its append-only file: 'w', all; 'p' and the
-- server's run id, not all; '' where it keeps no such file or does not let itself be asked.
-- ARGV: '', or the run id of the server that is waited for; 'x' where this is not that one,
-- or does not say.
local waited = ARGV[1] ~= ''
local info = redis.pcall('INFO', 'persistence')
if type(info) ~= 'string' then return waited and 'x' or '' end
local kept = string.find(info, '\naof_pending_bio_fsync:', 1, true)
local written = not kept or string.find(info, '\naof_pending_bio_fsync:0', 1, true) and string.find(info, '\naof_last_write_status:ok', 1, true)
if not waited and written then return kept and 'w' or '' end
local server = redis.pcall('INFO', 'server')
local run = type(server) == 'string' and string.match(server, '\nrun_id:(%x+)') or '?'
if not written then return 'p' .. run end
return run == ARGV[1] and run ~= '?' and 'w' or 'x'
