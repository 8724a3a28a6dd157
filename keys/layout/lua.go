package layout

import (
	_ "embed"
)

// CountersLua defines what scripts know of the index of a key's counters, as local
// functions. It is put in front of a script that makes counters.
//
//go:embed counters.lua
var CountersLua string

//go:embed full.lua
var FullLua string
