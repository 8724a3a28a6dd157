package verify

import (
	"context"

	"tollgate/keys"
)

// refusals are what a root key that is refused is told, by the code.
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
// and gives who is calling. A refusal is an error of the kind that says why.
func (v *Verifier) Authenticate(ctx context.Context, secret keys.Secret) (*keys.Caller, error) {
	outcome, err := v.Verify(ctx, &Request{Secret: secret, Root: true, Cost: 1})
	if err != nil {
		return nil, err
	}
	if outcome.Code != Valid {
		return nil, refused(outcome.Code)
	}
	caller := callerOf(outcome.Key)
	return &caller, nil
}

// Vouch reports whether a root key may be used now, by the error that Authenticate
// would return. It spends nothing.
func (v *Verifier) Vouch(ctx context.Context, secret keys.Secret) error {
	outcome, err := v.Verify(ctx, &Request{Secret: secret, Root: true})
	if err == nil && outcome.Code != Valid {
		err = refused(outcome.Code)
	}
	return err
}

// refused is what a root key is told whose verification ended so.
func refused(code Code) error {
	refusal, ok := refusals[code]
	if !ok {
		return keys.Errorf(keys.KindForbidden, "key", "the root key may not be used")
	}
	return keys.Errorf(refusal.kind, "key", "%s", refusal.message)
}
