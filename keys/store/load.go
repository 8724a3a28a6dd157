package store

import (
	"context"
	"errors"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

// Record is a key as it was read.
type Record struct {
	Key      *keys.Key
	State    keys.State
	Revision layout.Revision
	Place    layout.Place
	Now      int64 // the store's clock then, unix ms
}

func keyNotFound(id string) error {
	return keys.Errorf(keys.KindNotFound, "key", "key %s not found", keys.Redact(id))
}

// Load reads a key of a workspace by its id; KindNotFound without one. It takes as long
// where there is none as where it is another workspace's: as many exchanges with Redis,
// in which as little is read.
func (s *Records) Load(ctx context.Context, workspaceID, id string) (*Record, error) {
	at, err := s.locateOrEmpty(ctx, id)
	if err != nil {
		return nil, err
	}
	found, err := s.LoadFrom(ctx, catalog.OwnScript, at, workspaceID)
	if err != nil {
		return nil, err
	}
	if found = found.as(id); found == nil {
		return nil, keyNotFound(id)
	}
	return found, nil
}

// as is the key, seen as the secret with an id; nil where the record names none.
func (old *Record) as(id string) *Record {
	if old == nil || old.Key.Reserved {
		return nil
	}
	k := old.Key.ByID(id)
	if k == nil {
		return nil
	}
	one := *old
	one.Key = k
	return &one
}

// LoadAt reads the key at a place; nil where none is.
func (s *Records) LoadAt(ctx context.Context, at layout.Place) (*Record, error) {
	return s.LoadFrom(ctx, catalog.ReadScript, at, 0)
}

// LoadFrom reads the key at a place by a script.
func (s *Records) LoadFrom(ctx context.Context, script *redisdb.Script, at layout.Place, arg any) (*Record, error) {
	reply, err := s.Run(ctx, script, []string{at.Record()}, arg)
	if err != nil {
		return nil, err
	}
	if redisdb.Text(reply[1]) == "" {
		return nil, nil
	}
	key, state, revision, err := layout.DecodeKey(redisdb.Text(reply[1]))
	if err != nil {
		return nil, err
	}
	return &Record{key, state, revision, at, redisdb.Number(reply[0])}, nil
}

// locateOrEmpty is locate, which gives an empty place for an id that nothing has: who goes on to
// read there can't be told from one who goes on to read what is another's.
func (s *Records) locateOrEmpty(ctx context.Context, id string) (layout.Place, error) {
	at, err := s.locate(ctx, id)
	if err != nil && keys.AsError(err).Kind == keys.KindNotFound {
		return layout.EmptyPlace(id), nil
	}
	return at, err
}

// locate follows the index from an id to a place.
func (s *Records) locate(ctx context.Context, id string) (layout.Place, error) {
	ctx, cancel := s.Bounded(ctx)
	defer cancel()
	at, err := s.Redis().Get(ctx, layout.IndexName(id)).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return layout.Place{}, keyNotFound(id)
	case err != nil:
		return layout.Place{}, redisdb.Unavailable(err)
	case len(at) < 3:
		return layout.Place{}, keys.ErrCorrupt
	}
	return layout.Place{Text: at}, nil
}

// Owned reads an API key of the caller's workspace, with what it refers to, and
// checks the caller's rights over its API. Root keys, setup keys and keys of an API
// that was deleted are not found. One that is moving is moved: it may be used in its
// new place.
func (s *Records) Owned(ctx context.Context, a keys.Access, id string, also ...keys.Right) (owned *Record, refers *catalog.Resolved, err error) {
	err = catalog.Retry(func() (bool, error) {
		found, err := s.Load(ctx, a.WorkspaceID, id)
		if err != nil {
			return false, err
		}
		resolved, err := s.authorizeKey(ctx, a, found, also...)
		if err != nil {
			return false, err
		}
		if found.Key.Moving == nil {
			owned, refers = found, resolved
			return true, nil
		}
		return false, s.move(ctx, found, found.Key.Moving)
	})
	return owned, refers, err
}

// authorizeKey is owned for a key that was read already.
func (s *Records) authorizeKey(ctx context.Context, a keys.Access, found *Record, also ...keys.Right) (*catalog.Resolved, error) {
	if found.Key.WorkspaceID != a.WorkspaceID || !found.Key.IsAPIKey() {
		return nil, keyNotFound(found.Key.ID)
	}
	if err := a.Check(found.Key.APIID, also...); err != nil {
		return nil, err
	}
	resolved, err := s.current(ctx, found.Key)
	if err != nil {
		return nil, err
	}
	if resolved.API == nil {
		return nil, keyNotFound(found.Key.ID)
	}
	return resolved, nil
}

// GoneAPIsOf returns those of keys' APIs that their workspaces do not have.
func (s *Records) GoneAPIsOf(ctx context.Context, all []*Record) (map[string]bool, error) {
	byWorkspace := map[string][]*Record{}
	for _, one := range all {
		byWorkspace[one.Key.WorkspaceID] = append(byWorkspace[one.Key.WorkspaceID], one)
	}
	gone := map[string]bool{}
	for ws, some := range byWorkspace {
		found, err := s.GoneAPIs(ctx, ws, some)
		if err != nil {
			return nil, err
		}
		for api, is := range found {
			gone[api] = is
		}
	}
	return gone, nil
}

// current resolves a key's references as they are now, not as they were last seen.
func (s *Records) current(ctx context.Context, k *keys.Key) (*catalog.Resolved, error) {
	needs := []catalog.Need{{Bucket: layout.SharedBucket}}
	if k.IdentityID != "" {
		needs = append(needs, catalog.Need{Bucket: layout.IdentityBucket(k.IdentityID)})
	}
	if err := s.Fetch(ctx, k.WorkspaceID, needs); err != nil {
		return nil, err
	}
	return s.Resolve(ctx, k)
}

// Details is a key as it stands: what it is, what it has left, what it refers to.
type Details struct {
	Key      *keys.Key
	State    keys.State // with a refill that is due taken into account
	Resolved *catalog.Resolved
	Now      int64       // the store's clock, unix ms
	Secret   keys.Secret // the plaintext, where it was asked for and kept
}

// Key returns a key of the caller's workspace. With decrypt, which needs DecryptKey,
// it unseals the plaintext of a recoverable key.
func (s *Store) Key(ctx context.Context, a keys.Access, id string, decrypt bool) (*Details, error) {
	var also []keys.Right
	if decrypt {
		also = []keys.Right{keys.DecryptKey}
	}
	found, resolved, err := s.Owned(ctx, a, id, also...)
	if err != nil {
		return nil, err
	}
	d := &Details{Key: found.Key, State: found.Key.Refilled(found.State, found.Now), Resolved: resolved, Now: found.Now}
	if decrypt && len(found.Key.Sealed) > 0 {
		d.Secret, err = s.sealer.open(found.Key)
	}
	return d, err
}

// GoneAPIs returns those of keys' APIs that a workspace does not have.
func (s *Records) GoneAPIs(ctx context.Context, ws string, found []*Record) (map[string]bool, error) {
	there := map[string]*redis.IntCmd{}
	err := s.Pipelined(ctx, func(p redis.Pipeliner) {
		for _, one := range found {
			if one != nil && one.Key.APIID != "" && there[one.Key.APIID] == nil {
				there[one.Key.APIID] = p.Exists(ctx, layout.DefinitionName(ws, layout.KindAPI, one.Key.APIID))
			}
		}
	})
	gone := map[string]bool{}
	for api, cmd := range there {
		gone[api] = cmd.Val() == 0
	}
	return gone, err
}
