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
	if outcome.Code == Valid {
		k := outcome.Key
		return &keys.Caller{WorkspaceID: k.WorkspaceID, KeyID: k.ID, Grants: k.Root.Grants}, nil
	}
	refusal, ok := refusals[outcome.Code]
	if !ok {
		return nil, keys.Errorf(keys.KindForbidden, "key", "the root key may not be used")
	}
	return nil, keys.Errorf(refusal.kind, "key", "%s", refusal.message)
}
