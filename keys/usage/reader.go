package usage

import (
	"cmp"
	"time"

	"tollgate/keys/store"
)

// Reader answers questions about usage.
type Reader struct {
	store     *store.Store
	retention time.Duration
}

// NewReader reads the usage of a store's keys. retention is how long usage counts
// are kept; 0 is 90 days.
func NewReader(s *store.Store, retention time.Duration) *Reader {
	return &Reader{s, cmp.Or(retention, 90*24*time.Hour)}
}
