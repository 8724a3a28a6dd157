package setupkeys

import (
	"tollgate/keys/store"
)

// Keys keeps setup keys and groups.
type Keys struct {
	*store.Store
	claims claimIndex
}

// New keeps setup keys in a store.
func New(s *store.Store) *Keys { return &Keys{Store: s} }
