package store

import (
	"cmp"
	"context"
	"slices"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
)

// CreateRootKey makes a root key of a workspace. A secret that was given and is
// there already is left as it is: its id comes back and no error. That of a root key
// which was deleted is KindGone: a deletion is for good, whoever still has the secret.
func (s *Store) CreateRootKey(ctx context.Context, workspaceID string, d keys.RootDraft) (id string, made keys.Secret, err error) {
	ctx, end := s.Audit.Begin(ctx, keys.Operator(workspaceID), audit.CreateRootKey, audit.Resource{Type: "root_key", Name: d.Name})
	defer end(&err)
	secret, start, err := d.Identify()
	if err != nil {
		return "", keys.Secret{}, err
	}
	if err := cmp.Or(keys.CheckGrants(d.Grants), keys.CheckText("name", d.Name, keys.MaxName), keys.CheckTime("expires", d.Expires)); err != nil {
		return "", keys.Secret{}, err
	}
	grants := slices.Clone(d.Grants)
	slices.Sort(grants)
	now, err := s.Now(ctx)
	if err != nil {
		return "", keys.Secret{}, err
	}
	key := &keys.Key{
		ID: keys.NewID(keys.PrefixKey), WorkspaceID: workspaceID, Digest: secret.Digest(), Start: start, Name: d.Name,
		Expires: d.Expires, CreatedAt: now, Root: &keys.Root{Grants: slices.Compact(grants)},
	}
	if there, err := s.root(ctx, layout.PlaceOf(key.Digest)); err != nil || there != nil {
		return idOf(there), secret, err
	}
	if err := s.InsertOne(ctx, &NewRecord{Key: key}); err != nil {
		if there, _ := s.root(ctx, layout.PlaceOf(key.Digest)); there != nil {
			return there.ID, secret, nil // another gateway was as quick
		}
		return "", keys.Secret{}, s.orDeleted(ctx, key, err)
	}
	return key.ID, secret, nil
}

// orDeleted returns KindGone where a root key could not be made because it was deleted, and
// otherwise why it could not.
func (s *Records) orDeleted(ctx context.Context, k *keys.Key, refused error) error {
	if keys.AsError(refused).Kind != keys.KindConflict {
		return refused
	}
	found, err := s.TombstonesAt(ctx, []layout.Place{layout.PlaceOf(k.Digest)})
	if err != nil {
		return err
	}
	if t := found[0]; t != nil && t.APIID == "" && t.WorkspaceID == k.WorkspaceID {
		return keys.Errorf(keys.KindGone, "key", "root key %s was deleted", t.ID)
	}
	return refused
}

func idOf(k *keys.Key) string {
	if k == nil {
		return ""
	}
	return k.ID
}

// root reads the root key at a place; nil where none is.
func (s *Records) root(ctx context.Context, at layout.Place) (*keys.Key, error) {
	stored, err := s.LoadAt(ctx, at)
	if err != nil || stored == nil || stored.Key.Root == nil {
		return nil, err
	}
	return stored.Key, nil
}

// rootKeyPage is how many root keys RootKeys reads at a time, in as many exchanges with Redis
// as a page of keys takes.
const rootKeyPage = 500

// RootKeys lists the root keys of a workspace, by age, and reports whether there are more
// than limit; a limit of 0 is none. Each exchange with Redis has the store's timeout:
// KindUnavailable where Redis does not answer.
func (s *Store) RootKeys(ctx context.Context, workspaceID string, limit int) (all []*keys.Key, more bool, err error) {
	for at := "-"; at != ""; {
		var found []*Record
		if found, at, err = s.rootKeysFrom(ctx, workspaceID, at, rootKeyPage); err != nil {
			return nil, false, err
		}
		for _, one := range found {
			if limit > 0 && len(all) == limit {
				return all, true, nil
			}
			all = append(all, one.Key)
		}
	}
	return all, false, nil
}

// DeleteRootKey takes a root key of a workspace away, for good and at once. Its digest
// stays taken: a gateway whose environment still has the secret does not bring it back.
//
// The other gateways are prepared before as well: whoever deletes may die after the deletion,
// and its reply may be lost. So they are where the key is gone already.
func (s *Store) DeleteRootKey(ctx context.Context, workspaceID, id string) (err error) {
	ctx, end := s.Audit.Begin(ctx, keys.Operator(workspaceID), audit.DeleteRootKey, audit.Resource{Type: "root_key", ID: id})
	defer end(&err)
	return catalog.Retry(func() (bool, error) {
		err := s.deleteRootKey(ctx, workspaceID, id)
		if err == catalog.ErrBusy { // somebody else deletes it: read again
			return false, nil
		}
		return true, err
	})
}

func (s *Records) deleteRootKey(ctx context.Context, workspaceID, id string) error {
	stored, err := s.Load(ctx, workspaceID, id)
	if err != nil && keys.AsError(err).Kind == keys.KindNotFound {
		return cmp.Or(s.prepareRootKeys(ctx, workspaceID), err)
	}
	if err != nil {
		return err
	}
	if stored.Key.Root == nil || stored.Key.WorkspaceID != workspaceID {
		return keyNotFound(id)
	}
	if err := s.prepareRootKeys(ctx, workspaceID); err != nil {
		return err
	}
	err = s.deleteRecord(ctx, stored, false)
	return cmp.Or(s.prepareRootKeys(ctx, workspaceID), err)
}

// prepareRootKeys has the root keys of a workspace looked at again where their
// records can't be guards of a verification: on a Cluster. It is called after one
// was changed, and once more where that may have been lost with a crash.
func (s *Records) prepareRootKeys(ctx context.Context, workspaceID string) error {
	if !s.Cluster() {
		return nil
	}
	c := catalog.NewChange(workspaceID)
	c.Raise(layout.SharedBucket)
	_, _, err := s.Apply(ctx, c)
	return err
}
