package verify

import (
	"context"
	"net/netip"

	"tollgate/keys"
)

// refusals are the errors of a root key that is refused, by the code.
var refusals = map[Code]struct {
	kind    keys.Kind
	message string
}{
	NotFound:      {keys.KindUnauthenticated, "key not found"},
	Disabled:      {keys.KindDisabled, "the root key is disabled"},
	Expired:       {keys.KindExpired, "the root key has expired"},
	RateLimited:   {keys.KindRateLimited, "the root key is over its rate limit"},
	UsageExceeded: {keys.KindUsageExceeded, "the root key has no uses left"},
}

// Authenticate verifies a root key, spending one of its uses if they are counted,
// and returns who is calling. A refusal is an error of the kind that says why. source is
// the Request's.
func (v *Verifier) Authenticate(ctx context.Context, secret keys.Secret, source netip.Addr) (*keys.Caller, error) {
	outcome, err := v.Verify(ctx, &Request{Secret: secret, Root: true, Cost: 1, Source: source})
	if err != nil {
		return nil, err
	}
	if outcome.Code != Valid {
		return nil, v.refused(outcome.Code, source)
	}
	caller := callerOf(outcome.Key)
	return &caller, nil
}

// CheckRootKey reports whether a root key may be used now, by the error that Authenticate
// would return. It spends nothing.
func (v *Verifier) CheckRootKey(ctx context.Context, secret keys.Secret, source netip.Addr) error {
	outcome, err := v.Verify(ctx, &Request{Secret: secret, Root: true, Source: source, Cost: Free})
	if err == nil && outcome.Code != Valid {
		err = v.refused(outcome.Code, source)
	}
	return err
}

// refused is the error of a root key whose verification ended so. This is the one place
// where guesses are slowed down, behind the lookup: only a root key that the store proved
// unknown is answered as a guess, and never one that is valid, whatever else was sent from
// its address.
func (v *Verifier) refused(code Code, source netip.Addr) error {
	if code == NotFound {
		if err := v.unknown(source); err != nil {
			return err
		}
	}
	return refusal(code)
}

func refusal(code Code) error {
	told, ok := refusals[code]
	if !ok {
		return keys.Errorf(keys.KindForbidden, "key", "the root key may not be used")
	}
	return keys.Errorf(told.kind, "key", "%s", told.message)
}
