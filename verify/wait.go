package verify

import "tollgate/ratelimit"

// maxFields bounds the two RateLimit header fields together, in bytes: some proxies have 4 KiB
// for all headers of an answer.
const maxFields = 512

// RetryAfter returns in how many whole seconds the same request may pass, 1 or more, and 0
// where waiting does not help: a limit that is smaller than what it was asked for, or a
// balance that no refill raises enough. It may be refused again: others may be faster.
func (r *Request) RetryAfter(o *Outcome) int64 {
	var wait int64 // ms
	switch o.Code {
	case RateLimited:
		for i := range o.Limits {
			if l := &o.Limits[i]; l.Exceeded {
				if l.Limit.Limit < max(l.Cost, 1) {
					return 0
				}
				wait = max(wait, l.Reset-o.Now)
			}
		}
	case UsageExceeded:
		if refill := o.Key.Refill; refill == nil || refill.Amount < amount(r.Cost) {
			return 0
		}
		wait = o.Key.Refill.Next(o.Now) - o.Now
	default:
		return 0
	}
	return max((wait+999)/1000, 1)
}

// LimitFields returns the values of the header fields RateLimit-Policy and RateLimit, ""
// where no limit was looked at. The limit that refused comes first. They have at most 512
// bytes together: a limit that does not fit is left out.
func (o *Outcome) LimitFields() (policy, state string) {
	if len(o.Limits) == 0 {
		return "", ""
	}
	var f limitFields
	first := o.Triggered()
	if first != nil {
		f.add(first, o.Now)
	}
	for i := range o.Limits {
		if l := &o.Limits[i]; l != first {
			f.add(l, o.Now)
		}
	}
	return string(f.policy), string(f.state)
}

type limitFields struct{ policy, state []byte }

// add appends a limit to both, or to none.
func (f *limitFields) add(l *LimitState, now int64) {
	field := ratelimit.Field{
		Name: l.Name, Limit: l.Limit.Limit, Duration: l.Duration, Remaining: l.Remaining, Wait: l.Reset - now,
	}
	policy, state := f.policy, f.state
	if len(policy) > 0 {
		policy, state = append(policy, ", "...), append(state, ", "...)
	}
	policy, state = field.AppendPolicy(policy), field.AppendState(state)
	if len(policy)+len(state) <= maxFields {
		f.policy, f.state = policy, state
	}
}
