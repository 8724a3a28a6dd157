package store

import (
	"context"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
)

// KeyBySecret returns the key that a secret is of, without using it. A key of another
// workspace, a root key and one of an API that was deleted are not found.
func (s *Store) KeyBySecret(ctx context.Context, a keys.Access, secret keys.Secret) (*Details, error) {
	digest := secret.Digest()
	found, err := s.presented(ctx, a.WorkspaceID, digest)
	if err != nil {
		return nil, err
	}
	if found == nil || found.Key.Migration != "" {
		return nil, keys.SecretNotFound()
	}
	resolved, err := s.authorizeKey(ctx, a, found)
	if err != nil && keys.AsError(err).Kind == keys.KindNotFound {
		return nil, keys.SecretNotFound()
	}
	if err != nil {
		return nil, err
	}
	return &Details{Key: found.Key, State: found.Key.Refilled(found.State, found.Now), Resolved: resolved, Now: found.Now}, nil
}

// presented reads the key of a workspace of which a secret has a digest; nil without one, and
// where it is another workspace's, of which as little is read.
func (s *Records) presented(ctx context.Context, ws string, d keys.Digest) (*Record, error) {
	found, err := s.LoadFrom(ctx, catalog.OwnScript, layout.PlaceOf(d), ws)
	if err == nil && found != nil && found.Key.Target != nil {
		found, err = s.LoadFrom(ctx, catalog.OwnScript, layout.PlaceOf(*found.Key.Target), ws)
	}
	if err != nil || found == nil {
		return nil, err
	}
	if found.Key = found.Key.ByDigest(d); found.Key == nil {
		return nil, nil
	}
	return found, nil
}
