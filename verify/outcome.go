package verify

import (
	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/ratelimit"
)

// Code says how a verification ended. The names are Unkey's.
type Code string

// The codes, in the order in which they are decided.
const (
	NotFound                Code = "NOT_FOUND"
	Disabled                Code = "DISABLED"
	Forbidden               Code = "FORBIDDEN" // another API's key, or an address that is not allowed
	Expired                 Code = "EXPIRED"
	InsufficientPermissions Code = "INSUFFICIENT_PERMISSIONS"
	RateLimited             Code = "RATE_LIMITED"
	UsageExceeded           Code = "USAGE_EXCEEDED"
	Valid                   Code = "VALID"
)

// Outcome is the answer to a Request. Key and Resolved are shared with other
// answers: do not change them. Both are nil for NotFound.
type Outcome struct {
	Code      Code
	Key       *keys.Key
	Resolved  *catalog.Resolved
	Remaining *int64       // the balance after this decision; nil for a key whose uses are unlimited
	Limits    []LimitState // every limit that was looked at, refused or not
	Now       int64        // Redis's clock at the decision, unix ms; reckoned where nothing was decided by it

	balance int64         // what Remaining points to
	one     [1]LimitState // what Limits is made of where it suffices
}

// Valid reports whether the key may be used, and has spent its costs.
func (o *Outcome) Valid() bool { return o.Code == Valid }

// Triggered returns the first limit that refused; nil where none did.
func (o *Outcome) Triggered() *LimitState {
	for i := range o.Limits {
		if o.Limits[i].Exceeded {
			return &o.Limits[i]
		}
	}
	return nil
}

// LimitState is a limit as one verification left it.
type LimitState struct {
	ratelimit.Limit       // the ID is empty for a limit that the request brought
	Cost            int64 // what this verification asked of it
	Remaining       int64 // what is left, 0 or more
	Reset           int64 // unix ms, the end of the present window
	Exceeded        bool
}
