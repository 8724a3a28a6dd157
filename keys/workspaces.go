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

// Workspace returns the id of the workspace with a name, and makes it where there
// is none. Names are unique in the store; they have 1 to 64 characters.
func (s *Catalog) Workspace(ctx context.Context, name string) (string, error) {
	if name == "" || len(name) > 64 {
		return "", Invalidf("workspace", "the name has 1 to 64 characters")
	}
	if !s.marked.Load() { // a workspace is what a store is first used for
		if err := s.Mark(ctx); err != nil {
			return "", err
		}
	}
	id := NewID(prefixWorkspace)
	if err := s.pipelined(ctx, func(p redis.Pipeliner) { p.HSetNX(ctx, workspacesName, name, id) }); err != nil {
		return "", err
	}
	id, err := s.FindWorkspace(ctx, name)
	if err != nil {
		return "", err
	}
	now, err := s.masterRevision(ctx, id, sharedBucket, "")
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

// FindWorkspace returns the id of the workspace with a name; KindNotFound without one.
func (s *Catalog) FindWorkspace(ctx context.Context, name string) (string, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	id, err := s.redis.HGet(ctx, workspacesName, name).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return "", Errorf(KindNotFound, "workspace", "workspace %s not found", Redact(name))
	case err != nil:
		return "", Unavailable(err)
	}
	return id, nil
}

// WorkspaceName is a workspace by its id and the name that the operator gave it.
type WorkspaceName struct{ ID, Name string }

// Workspaces returns all workspaces of the store, by name.
func (s *Catalog) Workspaces(ctx context.Context) ([]WorkspaceName, error) {
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

// RootDraft describes a root key to be made. Without a Secret one is generated.
type RootDraft struct {
	Name    string
	Grants  []string // such as "api.*.create_key", at least one; Everything is each right
	Expires int64    // unix ms; 0 for never
	Secret  Secret   // of at least 16 characters
}

// Secrets given by an operator are not shorter: a guess must stay hopeless.
const minGivenSecret = 16

// CheckRootSecret refuses with KindInvalid what can't be the secret of a root key: one that
// can be guessed, and what no Authorization header can carry: white space, control
// characters and whatever is not ASCII.
func CheckRootSecret(s Secret) error {
	if len(s.text) < minGivenSecret {
		return Invalidf("rootKey", "a root key has at least %d characters", minGivenSecret)
	}
	if strings.ContainsFunc(s.text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return Invalidf("rootKey", "a root key has visible ASCII characters alone, and no white space: no header can carry others")
	}
	return nil
}

// identify returns the secret, and what of it is kept to recognise the key by.
func (d *RootDraft) identify() (secret Secret, start string, err error) {
	switch secret = d.Secret; {
	case secret.text == "":
		secret, start = newSecret("tollgate", 24, false)
		return secret, start, nil
	case CheckRootSecret(secret) != nil:
		return Secret{}, "", CheckRootSecret(secret)
	case IsAccessToken(secret.text):
		return secret, secret.text[:len(accessPrefix)+startLength], nil
	}
	return secret, secret.text[:startLength], nil
}

// CreateRootKey makes a root key of a workspace. A secret that was given and is
// there already is left as it is: its id comes back and no error. That of a root key
// which was deleted is KindGone: a deletion is for good, whoever still has the secret.
func (s *Store) CreateRootKey(ctx context.Context, workspaceID string, d RootDraft) (string, Secret, error) {
	secret, start, err := d.identify()
	if err != nil {
		return "", Secret{}, err
	}
	if err := firstError(CheckGrants(d.Grants), checkText("name", d.Name, MaxName), checkTime("expires", d.Expires)); err != nil {
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
		return "", Secret{}, s.orDeleted(ctx, key, err)
	}
	return key.ID, secret, nil
}

// orDeleted returns KindGone where a root key could not be made because it was deleted, and
// otherwise why it could not.
func (s *Store) orDeleted(ctx context.Context, k *Key, refused error) error {
	if AsError(refused).Kind != KindConflict {
		return refused
	}
	found, err := s.tombstonesAt(ctx, []place{k.Digest.place()})
	if err != nil {
		return err
	}
	if t := found[0]; t != nil && t.APIID == "" && t.WorkspaceID == k.WorkspaceID {
		return Errorf(KindGone, "key", "root key %s was deleted", t.ID)
	}
	return refused
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
	entries, err := s.redis.ZRangeByLex(ctx, listName(workspaceID, kindRootKey), &redis.ZRangeBy{Min: "-", Max: "+", Count: 10_000}).Result()
	if err != nil {
		return nil, Unavailable(err)
	}
	var all []*Key
	for part := range slices.Chunk(entries, 500) {
		loaded, err := s.loadAll(ctx, part)
		if err != nil {
			return nil, err
		}
		for _, one := range loaded {
			if one != nil && one.key.Root != nil {
				all = append(all, one.key)
			}
		}
	}
	return all, nil
}

// DeleteRootKey takes a root key of a workspace away, for good and at once. Its digest
// stays taken: a gateway whose environment still has the secret does not bring it back.
func (s *Store) DeleteRootKey(ctx context.Context, workspaceID, id string) error {
	stored, err := s.load(ctx, workspaceID, id)
	switch {
	case err == nil && (stored.key.Root == nil || stored.key.WorkspaceID != workspaceID):
		return keyNotFound(id)
	case err == nil: // prepared before as well: whoever does it may die after the deletion
		if err = s.prepareRootKeys(ctx, workspaceID); err == nil {
			err = s.deleteRecord(ctx, stored, false)
		}
	case AsError(err).Kind != KindNotFound:
		return err
	}
	return firstError(s.prepareRootKeys(ctx, workspaceID), err)
}

// prepareRootKeys has the root keys of a workspace looked at again where their
// records can't be guards of a verification: on a Cluster. It is called after one
// was changed, and once more where that may have been lost with a crash.
func (s *Store) prepareRootKeys(ctx context.Context, workspaceID string) error {
	if !s.cluster {
		return nil
	}
	c := newChange(workspaceID)
	c.raise(sharedBucket)
	_, _, err := s.apply(ctx, c)
	return err
}
