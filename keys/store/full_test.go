package store_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/catalog"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/setupkeys"
	"tollgate/keys/store"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// revocation takes something away that an other gateway let through until then.
type revocation struct {
	name string
	ask  verify.Request // the secret is the key's
	key  keys.KeyDraft
	do   func(id string) error
	code verify.Code // that it is answered from then on
}

// revocations are those of a workspace in which somebody has everything.
func (s *world) revocations() []revocation {
	t, a := s.TB, s.Access
	permission, err := s.CreatePermission(t.Context(), a, keys.PermissionDraft{Name: "docs.read"})
	s.Must(err)
	doomedPermission, err := s.CreatePermission(t.Context(), a, keys.PermissionDraft{Name: "docs.doomed"})
	s.Must(err)
	role := func(name string) *keys.Role {
		made, err := s.CreateRole(t.Context(), a, keys.RoleDraft{Name: name, Permissions: []keys.Ref{{ID: permission.ID}}})
		s.Must(err)
		return made
	}
	reader, shrinking, doomed := role("reader"), role("shrinking"), role("doomed")
	needs := func(query string) verify.Request {
		q, err := verify.ParseQuery(query)
		s.Must(err)
		return verify.Request{Permissions: q, Cost: verify.Free}
	}
	patch := func(p keys.KeyPatch) func(string) error {
		return func(id string) error { return s.UpdateKey(t.Context(), a, id, p) }
	}
	soon := time.Now().Add(-time.Minute).UnixMilli()
	return []revocation{
		{name: "disable", do: patch(keys.KeyPatch{Disabled: keys.To(true)}), code: verify.Disabled},
		{name: "expire", do: patch(keys.KeyPatch{Expires: keys.To(soon)}), code: verify.Expired},
		{name: "shorten", key: keys.KeyDraft{Expires: 4102444800000}, do: patch(keys.KeyPatch{Expires: keys.To(soon)}), code: verify.Expired},
		{name: "no uses left", do: patch(keys.KeyPatch{Remaining: keys.To(int64(0))}), ask: verify.Request{Cost: 1}, code: verify.UsageExceeded},
		{name: "set to no uses", key: keys.KeyDraft{Remaining: keystest.Uses(5)}, ask: verify.Request{Cost: verify.Free}, do: func(id string) error {
			_, _, err := s.UpdateCredits(t.Context(), a, id, store.SetCredits, keystest.Uses(0))
			if d := s.Read(id); err == nil && d.State.Balance != 0 {
				t.Errorf("%d uses are left", d.State.Balance)
			}
			return firstOf(err, s.UpdateKey(t.Context(), a, id, keys.KeyPatch{Disabled: keys.To(true)}))
		}, code: verify.Disabled},
		{name: "permission of a key", key: keys.KeyDraft{Permissions: []keys.Ref{{ID: permission.ID}}}, ask: needs("docs.read"), do: func(id string) error {
			_, err := s.RemovePermissions(t.Context(), a, id, []keys.Ref{{ID: permission.ID}})
			return err
		}, code: verify.InsufficientPermissions},
		{name: "role of a key", key: keys.KeyDraft{Roles: []keys.Ref{{ID: reader.ID}}}, ask: needs("docs.read"), do: func(id string) error {
			_, err := s.SetRoles(t.Context(), a, id, nil)
			return err
		}, code: verify.InsufficientPermissions},
		{name: "permission of a role", key: keys.KeyDraft{Roles: []keys.Ref{{ID: shrinking.ID}}}, ask: needs("docs.read"), do: func(string) error {
			_, err := s.SetRolePermissions(t.Context(), a, keys.Ref{ID: shrinking.ID}, nil)
			return err
		}, code: verify.InsufficientPermissions},
		{name: "role", key: keys.KeyDraft{Roles: []keys.Ref{{ID: doomed.ID}}}, ask: needs("docs.read"), do: func(string) error {
			return s.DeleteRole(t.Context(), a, keys.Ref{ID: doomed.ID})
		}, code: verify.InsufficientPermissions},
		{name: "permission", key: keys.KeyDraft{Permissions: []keys.Ref{{ID: doomedPermission.ID}}}, ask: needs("docs.doomed"), do: func(string) error {
			return s.DeletePermission(t.Context(), a, keys.Ref{ID: doomedPermission.ID})
		}, code: verify.InsufficientPermissions},
		{name: "soft deletion", do: func(id string) error { return s.DeleteKey(t.Context(), a, id, false) }, code: verify.NotFound},
		{name: "deletion", do: func(id string) error { return s.DeleteKey(t.Context(), a, id, true) }, code: verify.NotFound},
		{name: "addresses", do: func(string) error { return s.AllowIPs(t.Context(), a, s.APIID, []string{"192.0.2.1"}) }, code: verify.Forbidden},
		{name: "addresses again", do: func(string) error { return s.AllowIPs(t.Context(), a, s.APIID, nil) }, code: verify.Valid},
		{name: "API", do: func(string) error { return s.DeleteAPI(t.Context(), a, s.APIID) }, code: verify.NotFound},
	}
}

func firstOf(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// While Redis is full every revocation is stored, and the next verification on another gateway
// obeys it; what would fill it further is refused as a failure of the store, stores nothing,
// and leaves what is there.
func TestRevocationsWhileRedisIsFull(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		redistest.FailOverNow(c)
		s := newWorld(t, c, "w")
		s.World = s.OnStore(store.Open(c, store.Options{Timeout: 10 * time.Second, Audit: audit.Options{On: true, Wait: true}}))
		other := verify.New(store.Open(c, store.Options{Timeout: 10 * time.Second}), verify.Options{Timeout: 10 * time.Second})
		all := s.revocations()
		made := make([]keys.NewKey, len(all))
		for i, r := range all {
			made[i] = s.Create(r.key)
		}
		untouched := s.Create(keys.KeyDraft{Name: "as it was"})
		root, rootSecret, err := s.CreateRootKey(t.Context(), s.Access.WorkspaceID, keys.RootDraft{Grants: []string{"api.*.read_key"}})
		s.Must(err)
		owner, err := s.CreateIdentity(t.Context(), s.Access, keys.IdentityDraft{ExternalID: "ada"})
		s.Must(err)
		group, err := setupkeys.New(s.Store).CreateGroup(t.Context(), s.Access, "group")
		s.Must(err)
		setup, token, err := setupkeys.New(s.Store).CreateSetupKey(t.Context(), s.Access, setupkeys.SetupKeyDraft{Name: "n", Type: setupkeys.SetupReusable, Groups: []string{group.ID}})
		s.Must(err)
		_, err = s.SetOverride(t.Context(), s.Access, keys.NamespaceRef{Name: "space", Create: true}, keys.Override{Identifier: "ada", Limit: 3, Duration: 60000})
		s.Must(err)
		api := s.APIID

		full := redistest.Configure(t, c, "maxmemory", "1")
		before := len(redistest.Names(t, c, "*"))
		if full {
			for name, err := range map[string]error{
				"a key":          errOf(s.CreateKey(t.Context(), s.Access, keys.KeyDraft{APIID: api})),
				"an API":         errOf(s.CreateAPI(t.Context(), s.Access, "another")),
				"a role":         errOf(s.CreateRole(t.Context(), s.Access, keys.RoleDraft{Name: "another"})),
				"an identity":    errOf(s.CreateIdentity(t.Context(), s.Access, keys.IdentityDraft{ExternalID: "another"})),
				"metadata":       s.UpdateKey(t.Context(), s.Access, untouched.ID, keys.KeyPatch{Meta: keys.To([]byte(`{"much":"more"}`)), Disabled: keys.To(true)}),
				"a permission":   errOf(s.SetRolePermissions(t.Context(), s.Access, keys.Ref{Name: "reader"}, keys.Named([]string{"docs.read", "docs.doomed"}, catalog.CreateFreely))),
				"an override":    errOf(s.SetOverride(t.Context(), s.Access, keys.NamespaceRef{Name: "space"}, keys.Override{Identifier: "bob", Limit: 3, Duration: 60000})),
				"a workspace":    errOf(s.Workspace(t.Context(), "another")),
				"another prefix": s.UpdateKey(t.Context(), s.Access, untouched.ID, keys.KeyPatch{Name: keys.To("as it was not")}),
			} {
				if keystest.Kind(err) != keys.KindUnavailable {
					t.Errorf("%s is stored while Redis is full: %v", name, err)
				}
			}
			if after := len(redistest.Names(t, c, "*")); after != before {
				t.Errorf("%d names became %d", before, after)
			}
		}
		seen := map[string]bool{} // entries
		for i, r := range all {
			ask := r.ask
			ask.Secret = made[i].Secret
			if o, err := other.Verify(t.Context(), &ask); r.code != verify.Valid && (err != nil || o.Code != verify.Valid) {
				t.Errorf("%s: before it %v %v", r.name, o.Code, err)
			}
			if err := r.do(made[i].ID); err != nil {
				t.Errorf("%s: %v", r.name, err)
			}
			if page, err := s.Audit.Entries(t.Context(), s.Access, audit.Query{Limit: 1}); err != nil || len(page.Rows) != 1 || page.Rows[0].State != audit.Done || seen[page.Rows[0].ID] {
				t.Errorf("%s: the audit log has %v, %v", r.name, page.Rows, err)
			} else {
				seen[page.Rows[0].ID] = true
			}
			if o, err := other.Verify(t.Context(), &ask); err != nil || o.Code != r.code {
				t.Errorf("%s: after it %v %v", r.name, o.Code, err)
			}
		}
		s.SweepUp() // what is swept makes room
		if left := redistest.Names(t, c, "tg:l:"+api); len(left) > 0 {
			t.Errorf("the keys of a deleted API are left: %v", left)
		}

		if _, err := other.Authenticate(t.Context(), rootSecret, netip.Addr{}); err != nil {
			t.Error(err)
		}
		s.Must(s.DeleteRootKey(t.Context(), s.Access.WorkspaceID, root))
		if _, err := other.Authenticate(t.Context(), rootSecret, netip.Addr{}); err == nil {
			t.Error("a deleted root key is believed")
		}
		revoked := true
		_, err = setupkeys.New(s.Store).UpdateSetupKey(t.Context(), s.Access, setup.ID, setupkeys.SetupKeyPatch{Groups: []string{group.ID}, Revoked: &revoked})
		s.Must(err)
		if _, err := setupkeys.New(s.Store).Redeem(t.Context(), s.Access, setupkeys.RedeemRequest{Secret: token, Peer: "peer"}); keystest.Kind(err) != keys.KindNotFound {
			t.Errorf("a revoked setup key: %v", err)
		}
		s.Must(setupkeys.New(s.Store).DeleteSetupKey(t.Context(), s.Access, setup.ID))
		s.Must(setupkeys.New(s.Store).DeleteGroup(t.Context(), s.Access, group.ID))
		s.Must(s.DeleteIdentity(t.Context(), s.Access, keys.IdentityRef{ID: owner.ID}))
		s.Must(s.DeleteNamespace(t.Context(), s.Access, keys.NamespaceRef{Name: "space"}))
		if _, _, err := other.Limit(t.Context(), s.Access, []verify.LimitCheck{{Namespace: "space", Identifier: "ada", Limit: 9, Duration: 60000, Cost: 1}}); keystest.Kind(err) != keys.KindGone {
			t.Errorf("a deleted namespace: %v", err)
		}
	})
}

func errOf(_ any, err error) error { return err }

// Where Redis takes no write at all, a revocation fails and nothing of the key is lost.
func TestNoRevocationWhereNothingIsWritten(t *testing.T) {
	c := redistest.Shared(t).Client()
	s := newWorld(t, c, "w")
	made := s.Create(keys.KeyDraft{Name: "as it was"})
	s.Must(c.ConfigSet(t.Context(), "min-replicas-to-write", "1").Err())
	defer c.ConfigSet(context.Background(), "min-replicas-to-write", "0")
	for _, err := range []error{
		s.UpdateKey(t.Context(), s.Access, made.ID, keys.KeyPatch{Disabled: keys.To(true)}),
		s.DeleteKey(t.Context(), s.Access, made.ID, false),
		s.DeleteKey(t.Context(), s.Access, made.ID, true),
		s.DeleteAPI(t.Context(), s.Access, s.APIID),
	} {
		if keystest.Kind(err) != keys.KindUnavailable {
			t.Errorf("%v", err)
		}
	}
	if k := s.Read(made.ID).Key; k.Name != "as it was" || k.Disabled {
		t.Errorf("%+v", k)
	}
}
