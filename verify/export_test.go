package verify

import (
	"time"

	"tollgate/keys"
)

// Age lets time pass for the root keys that a verifier remembers.
func (v *Verifier) Age(d time.Duration) {
	for digest, by := range v.rootKeys.All() {
		older := *by
		older.verifiedAt = by.verifiedAt.Add(-d)
		v.rootKeys.Set(digest, &older)
	}
}

// HoldLookups keeps root keys that are not in memory from being looked up until release, as
// a call does to which Redis says nothing.
func (v *Verifier) HoldLookups() (release func()) {
	v.lookups.calls <- struct{}{}
	v.lookups.mu.Lock()
	defer v.lookups.mu.Unlock()
	v.lookups.shedder.noteSent(int64(time.Since(start)))
	return func() { <-v.lookups.calls }
}

// Knows reports whether a key with this secret is in memory.
func (v *Verifier) Knows(secret keys.Secret) bool {
	known, ok := v.cache.GetIfPresent(secret.Digest())
	return ok && known.key != nil
}
