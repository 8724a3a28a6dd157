package verify

import (
	"context"

	"tollgate/keys"
)

// VerifyMigrated is Verify of a key that may have come with a migration's hash. One
// that nobody knows is looked for among those, if r.By may verify it: it is found
// once, and is then a key like another.
func (v *Verifier) VerifyMigrated(ctx context.Context, r *Request, migrationID string) (*Outcome, error) {
	outcome, err := v.Verify(ctx, r)
	if migrationID == "" || err != nil || outcome.Code != NotFound {
		return outcome, err
	}
	caller, err := v.Authenticate(ctx, r.RootKey, r.Source)
	if err != nil {
		return nil, err
	}
	if err := v.store.CompleteMigration(ctx, caller.As(keys.VerifyKey), migrationID, r.Secret); err != nil {
		return nil, err
	}
	return v.Verify(ctx, r) // another gateway may have found it at the same time
}
