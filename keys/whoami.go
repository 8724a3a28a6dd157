package keys

import "context"

// KeyBySecret gives the key that a secret is of, without using it. A key of another
// workspace, a root key and one of an API that was deleted are not found.
func (s *Store) KeyBySecret(ctx context.Context, a Access, secret Secret) (*Details, error) {
	nobody := Errorf(KindNotFound, "key", "Key not found")
	digest := secret.Digest()
	found, err := s.loadAt(ctx, digest.place())
	if err != nil {
		return nil, err
	}
	if found == nil || !found.key.Digest.Equal(digest) || found.key.Migration != "" {
		return nil, nobody
	}
	resolved, err := s.entitled(ctx, a, found)
	if err != nil && AsError(err).Kind == KindNotFound {
		return nil, nobody
	}
	if err != nil {
		return nil, err
	}
	return &Details{Key: found.key, State: found.key.settle(found.state, found.now), Resolved: resolved, Now: found.now}, nil
}
