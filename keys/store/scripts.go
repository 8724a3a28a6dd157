package store

import (
	_ "embed"

	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/refill"
)

// MaxKeyCounters is how many counters a key has of limits that requests brought, as in counters.lua.
const MaxKeyCounters = 128

//go:embed put.lua
var putLua string

//go:embed credits.lua
var creditsLua string

//go:embed delete.lua
var deleteLua string

//go:embed erase.lua
var eraseLua string

//go:embed insert.lua
var insertLua string

var putScript = redisdb.NewScript(redisdb.StateLua, refill.Lua, layout.FullLua, putLua)

var creditsScript = redisdb.NewScript(redisdb.StateLua, refill.Lua, layout.FullLua, creditsLua)

var deleteScript = redisdb.NewScript(redisdb.StateLua, deleteLua)

var eraseScript = redisdb.NewScript(redisdb.StateLua, eraseLua)

var insertScript = redisdb.NewScript(redisdb.StateLua, insertLua)
