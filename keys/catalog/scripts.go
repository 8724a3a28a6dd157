package catalog

import (
	_ "embed"

	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
)

//go:embed note.lua
var noteLua string

//go:embed addtolist.lua
var addToListLua string

//go:embed mark.lua
var markLua string

//go:embed ping.lua
var pingLua string

//go:embed rights.lua
var rightsLua string

//go:embed define.lua
var defineLua string

//go:embed read.lua
var readLua string

//go:embed own.lua
var ownLua string

//go:embed copy.lua
var copyLua string

var AddToListScript = redisdb.NewScript(redisdb.StateLua, layout.FullLua, addToListLua)

var NoteScript = redisdb.NewScript(redisdb.StateLua, layout.FullLua, noteLua)

var markScript = redisdb.NewScript(redisdb.StateLua, layout.FullLua, markLua)

var pingScript = redisdb.NewScript(redisdb.StateLua, pingLua).ReadOnly()

var rightsScript = redisdb.NewScript(redisdb.StateLua, rightsLua).ReadOnly()

var defineScript = redisdb.NewScript(redisdb.StateLua, layout.FullLua, foldedStateLua, defineLua)

var ReadScript = redisdb.NewScript(redisdb.StateLua, layout.FullLua, readLua).ReadOnly()

var OwnScript = redisdb.NewScript(redisdb.StateLua, ownLua).ReadOnly()

var copyScript = redisdb.NewScript(redisdb.StateLua, layout.FullLua, copyLua)
