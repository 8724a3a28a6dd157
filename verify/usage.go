package verify

import (
	"tollgate/keys/usage"
)

// usageOutcomes says as what each code is counted.
var usageOutcomes = map[Code]usage.Outcome{
	Valid: usage.Valid, RateLimited: usage.RateLimited, UsageExceeded: usage.Exceeded,
	Disabled: usage.Disabled, Forbidden: usage.Forbidden, Expired: usage.Expired,
	InsufficientPermissions: usage.Insufficient,
}

// usageObserver is an Observer that counts usage.
type usageObserver struct {
	Observer
	usage *usage.Counter
}

// CountUsage returns an Observer that counts every verification which found a key, and
// passes everything on to next, if any.
func CountUsage(usage *usage.Counter, next Observer) Observer {
	if next == nil {
		next = noObserver{}
	}
	return usageObserver{next, usage}
}

// Verified implements Observer.
func (c usageObserver) Verified(r *Request, o *Outcome, err error) {
	c.Observer.Verified(r, o, err)
	if err == nil && o != nil && o.Key != nil {
		c.usage.Count(o.Key, usageOutcomes[o.Code], r.Tags, o.Now)
	}
}
