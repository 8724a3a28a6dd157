package keys

import "context"

// KeyBySecret returns the key that a secret is of, without using it. A key of another
// workspace, a root key and one of an API that was deleted are not found.
func (s *Store) KeyBySecret(ctx context.Context, a Access, secret Secret) (*Details, error) {
	nobody := Errorf(KindNotFound, "key", "Key not found")
	digest := secret.Digest()
	found, err := s.presented(ctx, a.WorkspaceID, digest)
	if err != nil {
		return nil, err
	}
	if found == nil || found.key.Migration != "" {
		return nil, nobody
	}
	resolved, err := s.authorizeKey(ctx, a, found)
	if err != nil && AsError(err).Kind == KindNotFound {
		return nil, nobody
	}
	if err != nil {
		return nil, err
	}
	return &Details{Key: found.key, State: found.key.refilled(found.state, found.now), Resolved: resolved, Now: found.now}, nil
}

// presented reads the key of a workspace of which a secret has a digest; nil without one, and
// where it is another workspace's, of which as little is read.
func (s *Store) presented(ctx context.Context, ws string, d Digest) (*stored, error) {
	found, err := s.loadFrom(ctx, ownScript, d.place(), ws)
	if err == nil && found != nil && found.key.Target != nil {
		found, err = s.loadFrom(ctx, ownScript, found.key.Target.place(), ws)
	}
	if err != nil || found == nil {
		return nil, err
	}
	if found.key = found.key.ByDigest(d); found.key == nil {
		return nil, nil
	}
	return found, nil
}
