package keys

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// stored is a key as it was read.
type stored struct {
	key      *Key
	state    State
	revision Revision
	place    place
	now      int64 // the store's clock then, unix ms
}

// Now reads the store's clock, in unix ms: the one clock of every decision.
func (s *DB) Now(ctx context.Context) (int64, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	t, err := s.redis.Time(ctx).Result()
	if err != nil {
		return 0, Unavailable(err)
	}
	return t.UnixMilli(), nil
}

func keyNotFound(id string) error { return Errorf(KindNotFound, "key", "key %s not found", Redact(id)) }

// load reads a key of a workspace by its id; KindNotFound without one. It takes as long
// where there is none as where it is another workspace's: as many exchanges with Redis,
// in which as little is read.
func (s *Store) load(ctx context.Context, workspaceID, id string) (*stored, error) {
	at, err := s.locateOrEmpty(ctx, id)
	if err != nil {
		return nil, err
	}
	found, err := s.loadFrom(ctx, ownScript, at, workspaceID)
	if err != nil {
		return nil, err
	}
	if found = found.as(id); found == nil {
		return nil, keyNotFound(id)
	}
	return found, nil
}

// as is the key, seen as the secret with an id; nil where the record names none.
func (old *stored) as(id string) *stored {
	if old == nil || old.key.Reserved {
		return nil
	}
	k := old.key.byID(id)
	if k == nil {
		return nil
	}
	one := *old
	one.key = k
	return &one
}

// loadAt reads the key at a place; nil where none is.
func (s *Store) loadAt(ctx context.Context, at place) (*stored, error) {
	return s.loadFrom(ctx, readScript, at, 0)
}

func (s *Store) loadFrom(ctx context.Context, script *Script, at place, arg any) (*stored, error) {
	reply, err := s.run(ctx, script, []string{at.record()}, arg)
	if err != nil {
		return nil, err
	}
	if text(reply[1]) == "" {
		return nil, nil
	}
	key, state, revision, err := DecodeKey(text(reply[1]))
	if err != nil {
		return nil, err
	}
	return &stored{key, state, revision, at, number(reply[0])}, nil
}

// locateOrEmpty is locate, which gives an empty place for an id that nothing has: who goes on to
// read there can't be told from one who goes on to read what is another's.
func (s *Store) locateOrEmpty(ctx context.Context, id string) (place, error) {
	at, err := s.locate(ctx, id)
	if err != nil && AsError(err).Kind == KindNotFound {
		return emptyPlace(id), nil
	}
	return at, err
}

// locate follows the index from an id to a place.
func (s *Store) locate(ctx context.Context, id string) (place, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	at, err := s.redis.Get(ctx, indexName(id)).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return place{}, keyNotFound(id)
	case err != nil:
		return place{}, Unavailable(err)
	case len(at) < 3:
		return place{}, errCorrupt
	}
	return place{at}, nil
}

// owned reads an API key of the caller's workspace, with what it refers to, and
// checks the caller's rights over its API. Root keys, setup keys and keys of an API
// that was deleted are not found. One that is moving is moved: it may be used in its
// new place.
func (s *Store) owned(ctx context.Context, a Access, id string, also ...Right) (*stored, *Resolved, error) {
	for range tries {
		found, err := s.load(ctx, a.WorkspaceID, id)
		if err != nil {
			return nil, nil, err
		}
		resolved, err := s.authorizeKey(ctx, a, found, also...)
		if err != nil {
			return nil, nil, err
		}
		if found.key.Moving == nil {
			return found, resolved, nil
		}
		if err := s.move(ctx, found, found.key.Moving); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, Unavailable(errBusy)
}

// authorizeKey is owned for a key that was read already.
func (s *Store) authorizeKey(ctx context.Context, a Access, found *stored, also ...Right) (*Resolved, error) {
	if found.key.WorkspaceID != a.WorkspaceID || !found.key.IsAPIKey() {
		return nil, keyNotFound(found.key.ID)
	}
	if err := a.check(found.key.APIID, also...); err != nil {
		return nil, err
	}
	resolved, err := s.current(ctx, found.key)
	if err != nil {
		return nil, err
	}
	if resolved.API == nil {
		return nil, keyNotFound(found.key.ID)
	}
	return resolved, nil
}

// current resolves a key's references as they are now, not as they were last seen.
func (s *Store) current(ctx context.Context, k *Key) (*Resolved, error) {
	needs := []need{{bucket: sharedBucket}}
	if k.IdentityID != "" {
		needs = append(needs, need{bucket: identityBucket(k.IdentityID)})
	}
	if err := s.fetch(ctx, k.WorkspaceID, needs); err != nil {
		return nil, err
	}
	return s.Resolve(ctx, k)
}

// Details is a key as it stands: what it is, what it has left, what it refers to.
type Details struct {
	Key      *Key
	State    State // with a refill that is due taken into account
	Resolved *Resolved
	Now      int64  // the store's clock, unix ms
	Secret   Secret // the plaintext, where it was asked for and kept
}

// Key returns a key of the caller's workspace. With decrypt, which needs DecryptKey,
// it unseals the plaintext of a recoverable key.
func (s *Store) Key(ctx context.Context, a Access, id string, decrypt bool) (*Details, error) {
	var also []Right
	if decrypt {
		also = []Right{DecryptKey}
	}
	found, resolved, err := s.owned(ctx, a, id, also...)
	if err != nil {
		return nil, err
	}
	d := &Details{Key: found.key, State: found.key.refilled(found.state, found.now), Resolved: resolved, Now: found.now}
	if decrypt && len(found.key.Sealed) > 0 {
		d.Secret, err = s.sealer.open(found.key)
	}
	return d, err
}
