package keys

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// DefaultWorkspace is the name of the workspace of TOLLGATE_ROOT_KEY.
const DefaultWorkspace = "default"

// Workspace gives the id of the workspace with a name, and makes it where there
// is none. Names are unique in the store; they have 1 to 64 characters.
func (s *Store) Workspace(ctx context.Context, name string) (string, error) {
	if name == "" || len(name) > 64 {
		return "", Invalidf("workspace", "the name has 1 to 64 characters")
	}
	id := NewID(prefixWorkspace)
	if err := s.pipelined(ctx, func(p redis.Pipeliner) { p.HSetNX(ctx, workspacesName, name, id) }); err != nil {
		return "", err
	}
	id, err := s.FindWorkspace(ctx, name)
	if err != nil {
		return "", err
	}
	now, err := s.askMaster(ctx, id, sharedBucket, "")
	if err != nil {
		return "", err
	}
	if now == "" {
		c := newChange(id)
		c.raise(sharedBucket)
		_, _, err = s.apply(ctx, c)
	}
	return id, err
}

// FindWorkspace gives the id of the workspace with a name; KindNotFound without one.
func (s *Store) FindWorkspace(ctx context.Context, name string) (string, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	id, err := s.redis.HGet(ctx, workspacesName, name).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return "", Errorf(KindNotFound, "workspace", "workspace %s not found", Told(name))
	case err != nil:
		return "", Unavailable(err)
	}
	return id, nil
}

// WorkspaceName is a workspace by its id and the name that the operator gave it.
type WorkspaceName struct{ ID, Name string }

// Workspaces returns all workspaces of the store, by name.
func (s *Store) Workspaces(ctx context.Context) ([]WorkspaceName, error) {
	var names *redis.MapStringStringCmd
	if err := s.pipelined(ctx, func(p redis.Pipeliner) { names = p.HGetAll(ctx, workspacesName) }); err != nil {
		return nil, err
	}
	var all []WorkspaceName
	for name, id := range names.Val() {
		all = append(all, WorkspaceName{id, name})
	}
	slices.SortFunc(all, func(a, b WorkspaceName) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// RootDraft describes a root key to be made. Without a Secret one is minted.
type RootDraft struct {
	Name    string
	Grants  []string // such as "api.*.create_key"; none is every right
	Expires int64    // unix ms; 0 for never
	Secret  Secret   // of at least 16 characters
}

// Secrets given by an operator are not shorter: a guess must stay hopeless.
const minGivenSecret = 16

// CreateRootKey makes a root key of a workspace. A secret that was given and is
// there already is left as it is: its id comes back and no error.
func (s *Store) CreateRootKey(ctx context.Context, workspaceID string, d RootDraft) (string, Secret, error) {
	secret, start := d.Secret, ""
	switch n := len(secret.text); {
	case n == 0:
		secret, start = mint("tollgate", 24, false)
	case n < minGivenSecret:
		return "", Secret{}, Invalidf("rootKey", "a root key has at least %d characters", minGivenSecret)
	case IsAccessToken(secret.text):
		start = secret.text[:len(accessPrefix)+startLength]
	default:
		start = secret.text[:startLength]
	}
	if len(d.Grants) == 0 {
		d.Grants = []string{Everything}
	}
	if err := firstError(checkText("name", d.Name, MaxName), checkTime("expires", d.Expires)); err != nil {
		return "", Secret{}, err
	}
	grants := slices.Clone(d.Grants)
	slices.Sort(grants)
	now, err := s.Now(ctx)
	if err != nil {
		return "", Secret{}, err
	}
	key := &Key{
		ID: NewID(prefixKey), WorkspaceID: workspaceID, Digest: secret.Digest(), Start: start, Name: d.Name,
		Expires: d.Expires, CreatedAt: now, Root: &Root{Grants: slices.Compact(grants)},
	}
	if there, err := s.root(ctx, key.Digest.place()); err != nil || there != nil {
		return idOf(there), secret, err
	}
	if err := s.insertOne(ctx, &newKey{key: key}); err != nil {
		if there, _ := s.root(ctx, key.Digest.place()); there != nil {
			return there.ID, secret, nil // another gateway was as quick
		}
		return "", Secret{}, err
	}
	return key.ID, secret, nil
}

func idOf(k *Key) string {
	if k == nil {
		return ""
	}
	return k.ID
}

// root reads the root key at a place; nil where none is.
func (s *Store) root(ctx context.Context, at place) (*Key, error) {
	stored, err := s.loadAt(ctx, at)
	if err != nil || stored == nil || stored.key.Root == nil {
		return nil, err
	}
	return stored.key, nil
}

// RootKeys lists the root keys of a workspace, by age.
func (s *Store) RootKeys(ctx context.Context, workspaceID string) ([]*Key, error) {
	entries, err := s.redis.ZRangeByLex(ctx, listName(workspaceID, nounRootKey), &redis.ZRangeBy{Min: "-", Max: "+", Count: 10_000}).Result()
	if err != nil {
		return nil, Unavailable(err)
	}
	var all []*Key
	for _, entry := range entries {
		stored, err := s.load(ctx, listedID(entry))
		switch {
		case err == nil && stored.key.Root != nil:
			all = append(all, stored.key)
		case err != nil && AsError(err).Kind != KindNotFound:
			return nil, err
		}
	}
	return all, nil
}

// DeleteRootKey takes a root key of a workspace away, for good and at once.
func (s *Store) DeleteRootKey(ctx context.Context, workspaceID, id string) error {
	stored, err := s.load(ctx, id)
	switch {
	case err == nil && (stored.key.Root == nil || stored.key.WorkspaceID != workspaceID):
		return keyNotFound(id)
	case err == nil: // announced before as well: whoever does it may die behind the bury
		if err = s.announceRootKeys(ctx, workspaceID); err == nil {
			err = s.bury(ctx, stored, true)
		}
	case AsError(err).Kind != KindNotFound:
		return err
	}
	return firstError(s.announceRootKeys(ctx, workspaceID), err)
}

// announceRootKeys has the root keys of a workspace looked at again where their
// records can't be guards of a verification: on a Cluster. It is called after one
// was changed, and once more where that may have been lost with a crash.
func (s *Store) announceRootKeys(ctx context.Context, workspaceID string) error {
	if !s.cluster {
		return nil
	}
	c := newChange(workspaceID)
	c.raise(sharedBucket)
	_, _, err := s.apply(ctx, c)
	return err
}
