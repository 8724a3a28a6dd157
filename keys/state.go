package keys

import (
	"tollgate/ratelimit"
)

// State is what a key has left.
type State struct {
	Balance    int64              // uses; means nothing for an unlimited key
	NextRefill int64              // unix ms; 0 when the key does not refill
	Windows    []ratelimit.Window // one for each of the key's Limits, in their order
}
