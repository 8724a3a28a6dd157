package store

import (
	"bytes"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
)

// The law of a full Redis: what takes something away is stored and obeyed, what makes the
// store larger is refused. A revocation may add a few bytes to a record, once: a mark that
// it is disabled, an end, when it was changed. Nothing that can be repeated adds more.
// Redis refuses what would take memory, so a script that may store says so by
// store_while_full, see full.lua. It is also said of a change that does not make what is
// stored longer, such as a role that gives less.

// onlyRevokes reports whether a key may do nothing more after a change than before it, and
// nothing else about it changes: it is disabled, it ends earlier, it has fewer permissions or
// roles, its uses are counted. What is left of it does not count: that takes the same room.
func onlyRevokes(old, k *keys.Key) bool {
	old, k = old.ToRecord(), k.ToRecord()
	rest := *k
	rest.UpdatedAt = old.UpdatedAt
	if k.Disabled {
		rest.Disabled = old.Disabled
	}
	if k.HasCredits {
		rest.HasCredits = old.HasCredits
	}
	if k.Expires != 0 && (old.Expires == 0 || k.Expires < old.Expires) {
		rest.Expires = old.Expires
	}
	if catalog.Includes(old.Permissions, k.Permissions) {
		rest.Permissions = old.Permissions
	}
	if catalog.Includes(old.Roles, k.Roles) {
		rest.Roles = old.Roles
	}
	rest.Unrevoke(old)
	return bytes.Equal(layout.Encode(&rest), layout.Encode(old))
}
