package setupkeys

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/keys/store"

	"github.com/google/uuid"
	"github.com/rs/xid"
)

// SetupKeyPatch is all that changes about a setup key.
type SetupKeyPatch struct {
	Groups  []string // all of them; nil is refused
	Revoked *bool    // nil leaves it
}

// shownSetupKey is how many characters of a setup key are kept to recognise it by.
const shownSetupKey = 5

// CreateSetupKey makes a setup key. Its groups are there when it answers: a group
// that went while the key was made takes the key with it.
func (s *Keys) CreateSetupKey(ctx context.Context, a keys.Access, d SetupKeyDraft) (made *SetupKey, plain keys.Secret, err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.CreateSetupKey, audit.Resource{Type: "setup_key", Name: d.Name})
	defer end(&err)
	if err := cmp.Or(d.check(), a.Check("")); err != nil {
		return nil, keys.Secret{}, err
	}
	secret := keys.NewSecret(strings.ToUpper(uuid.NewString()))
	k := setupKeyFrom(&d, a.WorkspaceID, secret)
	if err := s.link(ctx, k); err != nil {
		return nil, keys.Secret{}, err
	}
	if err := s.makeSetupAPI(ctx, a.WorkspaceID); err != nil {
		return nil, keys.Secret{}, err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return nil, keys.Secret{}, err
	}
	setLifetime(k, now, d.ExpiresIn)
	if err := s.InsertOne(ctx, &store.NewRecord{Key: k, Balance: k.Setup.Capacity()}); err != nil {
		return nil, keys.Secret{}, err
	}
	// Whoever deleted a group before the key was there did not see it.
	if err := s.link(ctx, k); err != nil {
		s.abandon(ctx, k)
		return nil, keys.Secret{}, err
	}
	return setupKeyOf(&store.Record{Key: k, State: keys.State{Balance: k.Setup.Capacity()}, Now: now}), secret, nil
}

// setupKeyFrom is the record that the draft describes, without its times.
func setupKeyFrom(d *SetupKeyDraft, workspaceID string, secret keys.Secret) *keys.Key {
	setup := &keys.Setup{
		Groups: d.Groups, Ephemeral: d.Ephemeral, ExtraDNSLabels: d.ExtraDNSLabels,
		Reusable: d.Type == SetupReusable, UsageLimit: d.UsageLimit, Claims: true,
	}
	if !setup.Reusable {
		setup.UsageLimit = 1
	}
	return &keys.Key{
		ID: xid.New().String(), WorkspaceID: workspaceID, APIID: APIID(workspaceID), Digest: secret.Digest(),
		Start: secret.Text[:shownSetupKey], Name: d.Name, HasCredits: true, Setup: setup,
	}
}

func setLifetime(k *keys.Key, now, seconds int64) {
	k.CreatedAt = now
	if seconds > 0 {
		k.Expires = now + 1000*seconds
	}
}

// abandon takes away a key that could not be finished. Nobody has its secret.
func (s *Keys) abandon(ctx context.Context, k *keys.Key) {
	if found, err := s.LoadAt(ctx, layout.PlaceOf(k.Digest)); err == nil && found != nil {
		_, _ = s.deleteSetupRecord(ctx, found)
	}
}

// SetupKey returns a setup key of the caller's workspace.
func (s *Keys) SetupKey(ctx context.Context, a keys.Access, id string) (*SetupKey, error) {
	if err := a.Check(id); err != nil {
		return nil, err
	}
	found, err := s.loadSetupKey(ctx, a.WorkspaceID, id)
	if err != nil {
		return nil, err
	}
	all, err := s.setupKeysOf(ctx, []*store.Record{found})
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// UpdateSetupKey changes the groups of a setup key, and revokes it or takes that
// back. Whoever redeems it later gets the new groups.
func (s *Keys) UpdateSetupKey(ctx context.Context, a keys.Access, id string, p SetupKeyPatch) (updated *SetupKey, err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.UpdateSetupKey, audit.Resource{Type: "setup_key", ID: id})
	defer end(&err)
	if p.Groups == nil {
		return nil, keys.Invalidf("auto_groups", "setup key autogroups field is invalid")
	}
	if err := cmp.Or(checkGroupCount(p.Groups), a.Check(id)); err != nil {
		return nil, err
	}
	err = catalog.Retry(func() (bool, error) {
		done, err := s.patchSetupKey(ctx, a.WorkspaceID, id, p)
		if err != nil {
			return false, err
		}
		if done {
			updated, err = s.SetupKey(ctx, keys.Access{Caller: a.Caller}, id)
			return true, err
		}
		return false, nil
	})
	return updated, err
}

// patchSetupKey reports whether nobody changed the key or a group meanwhile. The key
// is read before it is linked: a group that is deleted after that changes the key.
func (s *Keys) patchSetupKey(ctx context.Context, workspaceID, id string, p SetupKeyPatch) (bool, error) {
	groups, err := s.linkable(ctx, workspaceID, p.Groups)
	if err != nil {
		return false, err
	}
	found, err := s.loadSetupKey(ctx, workspaceID, id)
	if err != nil {
		return false, err
	}
	if linked, err := s.tryLink(ctx, found.Key, groups, catalog.Includes(found.Key.Setup.Groups, p.Groups)); err != nil || !linked {
		return false, err
	}
	k := regrouped(found.Key, p.Groups)
	k.UpdatedAt = found.Now
	if p.Revoked != nil {
		k.Disabled = *p.Revoked
	}
	return s.Put(ctx, found, k, store.Put{})
}

// regrouped is the setup key with other groups.
func regrouped(k *keys.Key, groups []string) *keys.Key {
	other, setup := *k, *k.Setup
	setup.Groups = slices.Clone(groups)
	other.Setup, other.Meta = &setup, nil // earlier releases had the groups in Meta too
	return &other
}

// DeleteSetupKey takes a setup key of the caller's workspace away, for good and at
// once, with the memory of who redeemed it.
func (s *Keys) DeleteSetupKey(ctx context.Context, a keys.Access, id string) (err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.DeleteSetupKey, audit.Resource{Type: "setup_key", ID: id})
	defer end(&err)
	if err := a.Check(id); err != nil {
		return err
	}
	return catalog.Retry(func() (bool, error) {
		found, err := s.loadSetupKey(ctx, a.WorkspaceID, id)
		if err != nil {
			return false, err
		}
		return s.deleteSetupRecord(ctx, found)
	})
}

// deleteSetupRecord takes a key away with all that it has, and reports whether it was
// still as it was read. The claims of its peers are in other slots and go when it is
// gone; what leads to them goes last.
func (s *Keys) deleteSetupRecord(ctx context.Context, found *store.Record) (bool, error) {
	at := found.Place
	if gone, err := s.Remove(ctx, found, at.LastUsed(), at.Redemptions(), at.Withdrawn(), at.Refusals()); err != nil || !gone {
		return false, err
	}
	_ = s.dropClaims(context.WithValue(ctx, redisdb.RequestStart{}, nil), found.Key) // one that stays leads nowhere and is replaced
	s.RemoveIndexEntries(ctx, found.Key)
	s.unlink(ctx, found.Key)
	return true, nil
}

func setupKeyNotFound(id string) error {
	return keys.Errorf(keys.KindNotFound, "setup_key", "setup key: %s not found", keys.Redact(id))
}

// loadSetupKey reads a setup key of a workspace; KindNotFound without one.
func (s *Keys) loadSetupKey(ctx context.Context, workspaceID, id string) (*store.Record, error) {
	found, err := s.Load(ctx, workspaceID, id)
	switch {
	case err != nil && keys.AsError(err).Kind == keys.KindNotFound:
		return nil, setupKeyNotFound(id)
	case err != nil:
		return nil, err
	case found.Key.Setup == nil || found.Key.WorkspaceID != workspaceID:
		return nil, setupKeyNotFound(id)
	}
	return found, nil
}
