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
	return wholeSeconds(wait)
}

// wholeSeconds rounds ms up to seconds, 1 or more: Retry-After is never 0.
func wholeSeconds(ms int64) int64 { return max((ms+999)/1000, 1) }

// LimitFields returns the values of the header fields RateLimit-Policy and RateLimit, ""
// where no limit was looked at. The limit that refused comes first. They have at most 512
// bytes together: a limit that does not fit is left out.
func (o *Outcome) LimitFields() (policy, state string) {
	p, s := o.AppendLimitFields(nil, nil)
	return string(p), string(s)
}

// AppendLimitFields is LimitFields without an allocation: it appends the values to two slices,
// which must be empty.
func (o *Outcome) AppendLimitFields(policy, state []byte) (p, s []byte) {
	f := limitFields{policy, state}
	first := o.Triggered()
	if first != nil {
		f.add(fieldOf(first, o.Now))
	}
	for i := range o.Limits {
		if l := &o.Limits[i]; l != first {
			f.add(fieldOf(l, o.Now))
		}
	}
	return f.policy, f.state
}

func fieldOf(l *LimitState, now int64) ratelimit.Field {
	return ratelimit.Field{
		Name: l.Name, Limit: l.Limit.Limit, Duration: l.Duration, Remaining: l.Remaining, Wait: l.Reset - now,
	}
}

// LimitVerdicts are the answers of Verifier.Limit to some checks.
type LimitVerdicts struct {
	Checks   []LimitCheck
	Verdicts []LimitVerdict
	Passed   bool
}

// AppendLimitFields is Outcome's: each limit has the name of its namespace, and those that
// refused come first.
func (l *LimitVerdicts) AppendLimitFields(policy, state []byte) (p, s []byte) {
	f := limitFields{policy, state}
	for _, passed := range []bool{false, true} {
		for i, v := range l.Verdicts {
			if v.Passed == passed {
				f.add(ratelimit.Field{
					Name: l.Checks[i].Namespace, Limit: v.Limit, Duration: v.Duration, Remaining: v.Remaining, Wait: v.Reset - v.Now,
				})
			}
		}
	}
	return f.policy, f.state
}

// RetryAfter returns in how many whole seconds the same checks may pass: 0 where they did, or
// where waiting does not help.
func (l *LimitVerdicts) RetryAfter() int64 {
	if l.Passed {
		return 0
	}
	var wait int64 // ms
	for i, v := range l.Verdicts {
		if v.Passed {
			continue
		}
		if v.Limit < max(amount(l.Checks[i].Cost), 1) {
			return 0
		}
		wait = max(wait, v.Reset-v.Now)
	}
	return wholeSeconds(wait)
}

type limitFields struct{ policy, state []byte }

// add appends a limit to both, or to none.
func (f *limitFields) add(field ratelimit.Field) {
	policy, state := f.policy, f.state
	if len(policy) > 0 {
		policy, state = append(policy, ", "...), append(state, ", "...)
	}
	policy, state = field.AppendPolicy(policy), field.AppendState(state)
	if len(policy)+len(state) <= maxFields {
		f.policy, f.state = policy, state
	}
}
