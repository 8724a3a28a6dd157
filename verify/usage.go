package verify

import "tollgate/keys"

// usageOutcomes says as what each code is counted.
var usageOutcomes = map[Code]keys.UsageOutcome{
	Valid: keys.UsageValid, RateLimited: keys.UsageRateLimited, UsageExceeded: keys.UsageExceeded,
	Disabled: keys.UsageDisabled, Forbidden: keys.UsageForbidden, Expired: keys.UsageExpired,
	InsufficientPermissions: keys.UsageInsufficient,
}

// usageObserver is an Observer that counts usage.
type usageObserver struct {
	Observer
	usage *keys.Usage
}

// CountUsage returns an Observer that counts every verification which found a key, and
// passes everything on to next, if any.
func CountUsage(usage *keys.Usage, next Observer) Observer {
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
