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
		f.add(fieldOf(first, o.Now))
	}
	for i := range o.Limits {
		if l := &o.Limits[i]; l != first {
			f.add(fieldOf(l, o.Now))
		}
	}
	return string(f.policy), string(f.state)
}

func fieldOf(l *LimitState, now int64) ratelimit.Field {
	return ratelimit.Field{
		Name: l.Name, Limit: l.Limit.Limit, Duration: l.Duration, Remaining: l.Remaining, Wait: l.Reset - now,
	}
}

// LimitFields returns the same of the verdicts of Verifier.Limit on some checks, under the
// names of their namespaces, and in how many seconds the same checks may pass: 0 where they
// did, or where waiting does not help.
func LimitFields(checks []LimitCheck, verdicts []LimitVerdict, passed bool) (policy, state string, retryAfter int64) {
	var f limitFields
	helps, wait := !passed, int64(0)
	for _, refused := range []bool{true, false} {
		for i, v := range verdicts {
			if v.Passed == refused {
				continue
			}
			f.add(ratelimit.Field{
				Name: checks[i].Namespace, Limit: v.Limit, Duration: v.Duration, Remaining: v.Remaining, Wait: v.Reset - v.Now,
			})
			if refused {
				helps, wait = helps && v.Limit >= max(amount(checks[i].Cost), 1), max(wait, v.Reset-v.Now)
			}
		}
	}
	if helps {
		retryAfter = max((wait+999)/1000, 1)
	}
	return string(f.policy), string(f.state), retryAfter
}

type limitFields struct{ policy, state []byte }

// add appends a limit to both, or to none.
func (f *limitFields) add(field ratelimit.Field) {
	if f.policy == nil { // one allocation each for what is usual
		f.policy, f.state = make([]byte, 0, 64), make([]byte, 0, 64)
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
