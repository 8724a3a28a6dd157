package verify

import "tollgate/keys"

// Knows tells whether a key with this secret is in memory: it was there when it was
// last looked at. It decides nothing.
func (v *Verifier) Knows(secret keys.Secret) bool {
	_, ok := v.cache.GetIfPresent(secret.Digest())
	return ok
}
