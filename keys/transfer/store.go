package transfer

import (
	"tollgate/keys/setupkeys"
	"tollgate/keys/usage"
)

// Transfer exports and imports workspaces.
type Transfer struct {
	*setupkeys.Keys
	usage *usage.Reader
}

// New exports from a store and imports into it.
func New(s *setupkeys.Keys, usage *usage.Reader) *Transfer {
	return &Transfer{s, usage}
}
