package keys

import (
	"context"
	"slices"
	"strings"

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
func (s *SetupStore) CreateSetupKey(ctx context.Context, a Access, d SetupKeyDraft) (*SetupKey, Secret, error) {
	if err := firstError(d.check(), a.check("")); err != nil {
		return nil, Secret{}, err
	}
	secret := NewSecret(strings.ToUpper(uuid.NewString()))
	k := d.key(a.WorkspaceID, secret)
	if err := s.link(ctx, k); err != nil {
		return nil, Secret{}, err
	}
	if err := s.makeSetupAPI(ctx, a.WorkspaceID); err != nil {
		return nil, Secret{}, err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return nil, Secret{}, err
	}
	k.live(now, d.ExpiresIn)
	if err := s.insertOne(ctx, &newKey{key: k, balance: k.Setup.capacity()}); err != nil {
		return nil, Secret{}, err
	}
	// Whoever deleted a group before the key was there did not see it.
	if err := s.link(ctx, k); err != nil {
		s.abandon(ctx, k)
		return nil, Secret{}, err
	}
	return setupKeyOf(&stored{key: k, state: State{Balance: k.Setup.capacity()}, now: now}), secret, nil
}

// key is the record that the draft describes, without its times.
func (d *SetupKeyDraft) key(workspaceID string, secret Secret) *Key {
	setup := &Setup{
		Groups: d.Groups, Ephemeral: d.Ephemeral, ExtraDNSLabels: d.ExtraDNSLabels,
		Reusable: d.Type == SetupReusable, UsageLimit: d.UsageLimit, Claims: true,
	}
	if !setup.Reusable {
		setup.UsageLimit = 1
	}
	return &Key{
		ID: xid.New().String(), WorkspaceID: workspaceID, APIID: setupAPIID(workspaceID), Digest: secret.Digest(),
		Start: secret.text[:shownSetupKey], Name: d.Name, HasCredits: true, Setup: setup,
	}
}

func (k *Key) live(now, seconds int64) {
	k.CreatedAt = now
	if seconds > 0 {
		k.Expires = now + 1000*seconds
	}
}

// abandon takes away a key that could not be finished. Nobody has its secret.
func (s *SetupStore) abandon(ctx context.Context, k *Key) {
	if found, err := s.loadAt(ctx, k.Digest.place()); err == nil && found != nil {
		_, _ = s.deleteSetupRecord(ctx, found)
	}
}

// SetupKey returns a setup key of the caller's workspace.
func (s *SetupStore) SetupKey(ctx context.Context, a Access, id string) (*SetupKey, error) {
	if err := a.check(id); err != nil {
		return nil, err
	}
	found, err := s.loadSetupKey(ctx, a.WorkspaceID, id)
	if err != nil {
		return nil, err
	}
	all, err := s.setupKeysOf(ctx, []*stored{found})
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// UpdateSetupKey changes the groups of a setup key, and revokes it or takes that
// back. Whoever redeems it later gets the new groups.
func (s *SetupStore) UpdateSetupKey(ctx context.Context, a Access, id string, p SetupKeyPatch) (*SetupKey, error) {
	if p.Groups == nil {
		return nil, Invalidf("auto_groups", "setup key autogroups field is invalid")
	}
	if err := firstError(checkGroupCount(p.Groups), a.check(id)); err != nil {
		return nil, err
	}
	for range tries {
		done, err := s.patchSetupKey(ctx, a.WorkspaceID, id, p)
		if err != nil {
			return nil, err
		}
		if done {
			return s.SetupKey(ctx, Access{Caller: a.Caller}, id)
		}
	}
	return nil, Unavailable(errBusy)
}

// patchSetupKey reports whether nobody changed the key or a group meanwhile. The key
// is read before it is linked: a group that is deleted after that changes the key.
func (s *SetupStore) patchSetupKey(ctx context.Context, workspaceID, id string, p SetupKeyPatch) (bool, error) {
	groups, err := s.linkable(ctx, workspaceID, p.Groups)
	if err != nil {
		return false, err
	}
	found, err := s.loadSetupKey(ctx, workspaceID, id)
	if err != nil {
		return false, err
	}
	if linked, err := s.tryLink(ctx, found.key, groups, includes(found.key.Setup.Groups, p.Groups)); err != nil || !linked {
		return false, err
	}
	k := found.key.regrouped(p.Groups)
	k.UpdatedAt = found.now
	if p.Revoked != nil {
		k.Disabled = *p.Revoked
	}
	return s.put(ctx, found, k, put{})
}

// regrouped is the setup key with other groups.
func (k *Key) regrouped(groups []string) *Key {
	other, setup := *k, *k.Setup
	setup.Groups = slices.Clone(groups)
	other.Setup, other.Meta = &setup, nil // earlier releases had the groups in Meta too
	return &other
}

// DeleteSetupKey takes a setup key of the caller's workspace away, for good and at
// once, with the memory of who redeemed it.
func (s *SetupStore) DeleteSetupKey(ctx context.Context, a Access, id string) error {
	if err := a.check(id); err != nil {
		return err
	}
	for range tries {
		found, err := s.loadSetupKey(ctx, a.WorkspaceID, id)
		if err != nil {
			return err
		}
		if gone, err := s.deleteSetupRecord(ctx, found); gone || err != nil {
			return err
		}
	}
	return Unavailable(errBusy)
}

// deleteSetupRecord takes a key away with all that it has, and reports whether it was
// still as it was read. The claims of its peers are in other slots and go when it is
// gone; what leads to them goes last.
func (s *SetupStore) deleteSetupRecord(ctx context.Context, found *stored) (bool, error) {
	at := found.place
	one := removal(at, found.key.ID, found.revision)
	names := append(one.names, at.lastUsed(), at.redemptions(), at.withdrawn(), at.refusals())
	reply, err := s.run(ctx, deleteScript, names, one.args...)
	if err != nil || reply[0] != nil {
		return false, err
	}
	_ = s.dropClaims(context.WithValue(ctx, RequestStart{}, nil), found.key) // one that stays leads nowhere and is replaced
	s.removeIndexEntries(ctx, found.key)
	s.unlink(ctx, found.key)
	return true, nil
}

func setupKeyNotFound(id string) error {
	return Errorf(KindNotFound, "setup_key", "setup key: %s not found", Redact(id))
}

// loadSetupKey reads a setup key of a workspace; KindNotFound without one.
func (s *SetupStore) loadSetupKey(ctx context.Context, workspaceID, id string) (*stored, error) {
	found, err := s.load(ctx, workspaceID, id)
	switch {
	case err != nil && AsError(err).Kind == KindNotFound:
		return nil, setupKeyNotFound(id)
	case err != nil:
		return nil, err
	case found.key.Setup == nil || found.key.WorkspaceID != workspaceID:
		return nil, setupKeyNotFound(id)
	}
	return found, nil
}
