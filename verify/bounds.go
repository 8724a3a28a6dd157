package verify

import (
	"tollgate/keys"
)

// Bounds are the bounds that this package and package keys check in requests, by their
// names.
func Bounds() map[string]int64 {
	all := keys.Bounds()
	all["MaxRequestLimits"] = MaxRequestLimits
	return all
}
