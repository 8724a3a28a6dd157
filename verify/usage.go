package verify

import "tollgate/keys"

// usageOutcomes says as what each code is counted.
var usageOutcomes = map[Code]keys.UsageOutcome{
	Valid: keys.UsageValid, RateLimited: keys.UsageRateLimited, UsageExceeded: keys.UsageExceeded,
	Disabled: keys.UsageDisabled, Forbidden: keys.UsageForbidden, Expired: keys.UsageExpired,
	InsufficientPermissions: keys.UsageInsufficient,
}

// counting is an Observer that counts usage.
type counting struct {
	Observer
	usage *keys.Usage
}

// CountUsage is an Observer that counts every verification which found a key, and
// tells next, if any, what it is told.
func CountUsage(usage *keys.Usage, next Observer) Observer {
	if next == nil {
		next = silent{}
	}
	return counting{next, usage}
}

// Verified implements Observer.
func (c counting) Verified(r *Request, o *Outcome, err error) {
	c.Observer.Verified(r, o, err)
	if err == nil && o != nil && o.Key != nil {
		c.usage.Count(o.Key, usageOutcomes[o.Code], r.Tags, o.Now)
	}
}
