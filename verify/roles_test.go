package verify_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/keystest"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb/redistest"
	"tollgate/ratelimit"
	"tollgate/verify"

	"github.com/fxamacker/cbor/v2"
	"github.com/redis/go-redis/v9"
)

// What keys refer to is changed and deleted, and each time the next verification of
// another gateway that has them in memory obeys. What is made anew under an old name
// is another thing.
func TestSharedChangesBiteAtOnce(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w, other := newWorld(t, c), keystest.NewGateway(c)
		ctx := t.Context()
		_, err := w.CreateRole(ctx, w.Access, keys.RoleDraft{Name: "reader", Permissions: keys.Named([]string{"docs.read"}, catalog.Create)})
		w.Must(err)
		made := w.Create(keys.KeyDraft{ExternalID: "user_1", Roles: keys.Named([]string{"reader"}, catalog.Refuse), Permissions: keys.Named([]string{"docs.list"}, catalog.Create)})
		expect := func(step, permission string, want verify.Code) *verify.Outcome {
			t.Helper()
			o, err := other.Verify(ctx, &verify.Request{Secret: made.Secret, Permissions: verify.Permission(permission), Cost: 1})
			if err != nil || o.Code != want {
				t.Fatalf("%s: %s is %+v, %v, want %s", step, permission, o, err, want)
			}
			return o
		}
		give := func(slugs ...string) {
			t.Helper()
			_, err := w.SetRolePermissions(ctx, w.Access, catalog.Called("reader"), keys.Named(slugs, catalog.Create))
			w.Must(err)
		}
		for round := range 10 {
			expect("given", "docs.read", verify.Valid)
			give("docs.write")
			expect(fmt.Sprint("taken ", round), "docs.read", verify.InsufficientPermissions)
			expect("given instead", "docs.write", verify.Valid)
			give("docs.read", "docs.write")
		}
		w.Must(w.DeletePermission(ctx, w.Access, catalog.Called("docs.read")))
		expect("permission of a role deleted", "docs.read", verify.InsufficientPermissions)
		w.Must(w.DeletePermission(ctx, w.Access, catalog.Called("docs.list")))
		expect("permission of the key deleted", "docs.list", verify.InsufficientPermissions)
		for _, slug := range []string{"docs.read", "docs.list"} {
			_, err := w.CreatePermission(ctx, w.Access, keys.PermissionDraft{Name: slug})
			w.Must(err)
			expect("made anew", slug, verify.InsufficientPermissions)
		}
		expect("still", "docs.write", verify.Valid)
		w.Must(w.DeleteRole(ctx, w.Access, catalog.Called("reader")))
		expect("role deleted", "docs.write", verify.InsufficientPermissions)
		_, err = w.CreateRole(ctx, w.Access, keys.RoleDraft{Name: "reader", Permissions: keys.Named([]string{"docs.write"}, catalog.Refuse)})
		w.Must(err)
		expect("role made anew", "docs.write", verify.InsufficientPermissions)

		_, err = w.AddPermissions(ctx, w.Access, made.ID, keys.Named([]string{"docs.more"}, catalog.Create))
		w.Must(err)
		expect("attached", "docs.more", verify.Valid)
		_, err = w.RemovePermissions(ctx, w.Access, made.ID, keys.Named([]string{"docs.more"}, catalog.Refuse))
		w.Must(err)
		expect("detached", "docs.more", verify.InsufficientPermissions)
		_, err = w.SetRoles(ctx, w.Access, made.ID, keys.Named([]string{"reader"}, catalog.Refuse))
		w.Must(err)
		expect("role attached", "docs.write", verify.Valid)

		user := keys.IdentityRef{ExternalID: "user_1"}
		_, err = w.UpdateIdentity(ctx, w.Access, user, keys.IdentityPatch{Meta: keys.To([]byte(`{"plan":"pro"}`)), Limits: keys.To([]ratelimit.Limit{limit("shared", 1)})})
		w.Must(err)
		if o := expect("identity changed", "docs.write", verify.Valid); string(o.Resolved.Identity.Meta) != `{"plan":"pro"}` {
			t.Errorf("meta %s", o.Resolved.Identity.Meta)
		}
		expect("its limit is used up", "docs.write", verify.RateLimited)
		w.Must(w.DeleteIdentity(ctx, w.Access, user))
		for range 3 {
			if o := expect("identity deleted", "docs.write", verify.Valid); o.Resolved.Identity != nil || len(o.Limits) != 0 {
				t.Errorf("it still shows %+v and %+v", o.Resolved.Identity, o.Limits)
			}
		}
	})
}

// However many keys use a role or a permission, changing and deleting it returns
// within a second, and the next verification of each of 2,000 of them, on a gateway
// that had them in memory, obeys.
func TestAChangeUsedByManyKeysIsQuick(t *testing.T) {
	const many = 100_000
	stores := map[string]func(t *testing.T) redis.UniversalClient{
		"redis":   func(t *testing.T) redis.UniversalClient { return redistest.Empty(t) },
		"cluster": func(t *testing.T) redis.UniversalClient { return redistest.Cluster(t, 3, 0).Client() },
	}
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			c := open(t)
			w, other := newWorld(t, c), keystest.NewGateway(c)
			ctx := t.Context()
			_, err := w.CreateRole(ctx, w.Access, keys.RoleDraft{Name: "reader", Permissions: keys.Named([]string{"docs.read"}, catalog.Create)})
			w.Must(err)
			secrets := w.clone(w.Create(keys.KeyDraft{Roles: keys.Named([]string{"reader"}, catalog.Refuse), Permissions: keys.Named([]string{"docs.list"}, catalog.Create)}), many)
			var sample []keys.Secret
			for i := 0; i < many; i += many / 2000 {
				sample = append(sample, secrets[i])
			}
			expect := func(step, permission string, want verify.Code) {
				t.Helper()
				var all sync.WaitGroup
				for part := range slices.Chunk(sample, 100) {
					all.Go(func() {
						for _, secret := range part {
							o, err := patiently(other, &verify.Request{Secret: secret, Permissions: verify.Permission(permission), Cost: verify.Free})
							if err != nil || o.Code != want {
								t.Errorf("%s: %+v, %v, want %s", step, o, err, want)
								return
							}
						}
					})
				}
				all.Wait()
			}
			quick := func(step string, change func() error) {
				t.Helper()
				start := time.Now()
				w.Must(change())
				took := time.Since(start)
				t.Logf("%s: %v with %d keys", step, took.Round(100*time.Microsecond), many)
				if took > time.Second {
					t.Errorf("%s took %v", step, took)
				}
			}
			expect("given", "docs.read", verify.Valid)
			quick("set the role's permissions", func() error {
				_, err := w.SetRolePermissions(ctx, w.Access, catalog.Called("reader"), keys.Named([]string{"docs.write"}, catalog.Create))
				return err
			})
			expect("taken from the role", "docs.read", verify.InsufficientPermissions)
			expect("given to the role", "docs.write", verify.Valid)
			quick("delete the permission", func() error { return w.DeletePermission(ctx, w.Access, catalog.Called("docs.list")) })
			expect("deleted permission", "docs.list", verify.InsufficientPermissions)
			quick("delete the role", func() error { return w.DeleteRole(ctx, w.Access, catalog.Called("reader")) })
			expect("deleted role", "docs.write", verify.InsufficientPermissions)
		})
	}
}

// patiently asks again where the store was too slow: nothing is spent.
func patiently(g keystest.Gateway, r *verify.Request) (o *verify.Outcome, err error) {
	for range 20 {
		if o, err = g.Verify(context.Background(), r); err == nil || keys.AsError(err).Kind != keys.KindUnavailable {
			break
		}
	}
	return o, err
}

// clone puts n copies of a key into the store behind its back, each with an id and a
// secret of its own.
func (w *world) clone(made keys.NewKey, n int) []keys.Secret {
	w.TB.Helper()
	record, _ := layout.RecordName(made.Secret.Digest())
	stored, err := w.Redis().Get(w.TB.Context(), record).Result()
	w.Must(err)
	key, state, _, err := layout.DecodeKey(stored)
	w.Must(err)
	header := stored[:layout.HeaderLength(len(state.Windows))]
	secrets := make([]keys.Secret, n)
	for chunk := range slices.Chunk(secrets, 5000) {
		_, err := w.Redis().Pipelined(w.TB.Context(), func(p redis.Pipeliner) error {
			for i := range chunk {
				copied := *key
				copied.ID = keys.NewID("key")
				chunk[i] = keys.NewSecret("clone_" + copied.ID)
				copied.Digest = chunk[i].Digest()
				name, _ := layout.RecordName(copied.Digest)
				raw, err := cbor.Marshal(&copied)
				w.Must(err)
				p.Set(w.TB.Context(), name, header+string(raw), 0)
			}
			return nil
		})
		w.Must(err)
	}
	return secrets
}

// The limits of an identity are shared by its keys, exactly and on any number of
// gateways, together with each key's own: who is refused by one is counted by none.
func TestIdentityLimitsAreSharedExactly(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		gateways := []keystest.Gateway{w.Gateway, keystest.NewGateway(c), keystest.NewGateway(c)}
		// On a machine that is busy with other things replies can come too late, and
		// then it is unknown what was spent: such a round proves nothing.
		proved := 0
		for round := 0; proved < 3; round++ {
			if round == 20 {
				t.Fatalf("only %d rounds in which every verification was answered in time", proved)
			}
			if w.sharedRound(gateways, fmt.Sprint("user_", round)) {
				proved++
			}
		}
	})
}

// sharedRound lets three keys of one identity use up what they share. It tells
// whether everything was answered in time.
func (w *world) sharedRound(gateways []keystest.Gateway, user string) bool {
	w.TB.Helper()
	_, err := w.CreateIdentity(w.TB.Context(), w.Access, keys.IdentityDraft{ExternalID: user,
		Limits: []ratelimit.Limit{limit("shared", 25), limit("wide", 1000), limit("own", 1)}})
	w.Must(err)
	secrets, ids := make([]keys.Secret, 3), make([]string, 3)
	for i, d := range []keys.KeyDraft{
		{Limits: []ratelimit.Limit{limit("own", 10)}}, // in the place of the identity's of its name
		{Limits: []ratelimit.Limit{limit("own", 100)}},
		{Limits: []ratelimit.Limit{limit("own", 100)}, Remaining: keystest.Uses(5)},
	} {
		d.ExternalID = user
		made := w.Create(d)
		secrets[i], ids[i] = made.Secret, made.ID
	}
	valid, answered := stormAll(gateways, secrets, 30)
	if passed := valid[0] + valid[1] + valid[2]; passed > 25 || passed < 25 && answered && !w.Cluster() {
		w.TB.Fatalf("%v passed at once, want 25 in all", valid)
	}
	// A Cluster may refuse a little too much while others hold what they give back:
	// what is left over passes now.
	for i := range secrets {
		for answered {
			o, err := w.Verify(w.TB.Context(), &verify.Request{Secret: secrets[i], Cost: 1})
			if answered = err == nil; err != nil || o.Code != verify.Valid {
				break
			}
			valid[i]++
		}
	}
	if !answered {
		return false
	}
	if valid[0]+valid[1]+valid[2] != 25 || valid[0] > 10 || valid[2] > 5 {
		w.TB.Fatalf("%v passed; want 25 in all, 10 of the first and 5 of the third at most", valid)
	}
	for i, id := range ids {
		if left := w.Left(id); left.Windows[0].Current != valid[i] || i == 2 && left.Balance != 5-valid[2] {
			w.TB.Errorf("key %d passed %d times and has %+v left", i, valid[i], left)
		}
	}
	o, err := w.Verify(w.TB.Context(), &verify.Request{Secret: secrets[1], Cost: 1})
	if err == nil && (o.Code != verify.RateLimited || state(o, "shared").Remaining != 0 || state(o, "wide").Remaining != 975) {
		w.TB.Errorf("%s: %+v", o.Code, o.Limits)
	}
	return err == nil
}

// Where the key refuses, for any of its reasons, nothing of the identity is taken.
func TestARefusalTakesNothingOfTheIdentity(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		_, err := w.CreateIdentity(t.Context(), w.Access, keys.IdentityDraft{ExternalID: "user_1", Limits: []ratelimit.Limit{limit("shared", 100)}})
		w.Must(err)
		for want, d := range map[verify.Code]keys.KeyDraft{
			verify.RateLimited:             {Limits: []ratelimit.Limit{limit("own", 1)}, Permissions: keys.Named([]string{"p"}, catalog.Create)},
			verify.UsageExceeded:           {Remaining: keystest.Uses(1), Permissions: keys.Named([]string{"p"}, catalog.Create)},
			verify.InsufficientPermissions: {},
			verify.Expired:                 {Expires: 1, Permissions: keys.Named([]string{"p"}, catalog.Create)},
			verify.Disabled:                {Disabled: true},
		} {
			d.ExternalID = "user_1"
			made := w.Create(d)
			request := verify.Request{Secret: made.Secret, Cost: 2, Permissions: verify.Permission("p"), Limits: []verify.LimitRequest{{Name: "own", Cost: 2}}}
			if want != verify.RateLimited {
				request.Limits = nil
			}
			for range 5 {
				if o := w.Check(request); o.Code != want {
					t.Fatalf("%s, want %s", o.Code, want)
				}
			}
		}
		probe := w.Create(keys.KeyDraft{ExternalID: "user_1"})
		if o := w.Check(verify.Request{Secret: probe.Secret, Limits: []verify.LimitRequest{{Name: "shared", Cost: verify.Free}}, Cost: verify.Free}); state(o, "shared").Remaining != 100 {
			t.Errorf("%d of 100 left", state(o, "shared").Remaining)
		}
	})
}

// stormAll verifies each secret n times, all at once and round robin. It counts the
// valid ones of each, and reports whether all were answered in time.
func stormAll(gateways []keystest.Gateway, secrets []keys.Secret, n int) (valid []int64, answered bool) {
	valid = make([]int64, len(secrets))
	var late atomic.Bool
	var all sync.WaitGroup
	for i := range secrets {
		for j := range n {
			all.Go(func() {
				o, err := gateways[j%len(gateways)].Verify(context.Background(), &verify.Request{Secret: secrets[i], Cost: 1})
				switch {
				case err != nil:
					late.Store(true)
				case o.Code == verify.Valid:
					atomic.AddInt64(&valid[i], 1)
				}
			})
		}
	}
	all.Wait()
	return valid, !late.Load()
}

// state is what an outcome says of a limit.
func state(o *verify.Outcome, name string) verify.LimitState {
	for _, s := range o.Limits {
		if s.Name == name {
			return s
		}
	}
	return verify.LimitState{Remaining: -1}
}

// What a verification asks for is compared as it is spelt, however names are unique and
// looked up; and it is shown as it was spelt.
func TestPermissionsAreComparedExactly(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		_, err := w.CreateRole(t.Context(), w.Access, keys.RoleDraft{Name: "Reader", Permissions: keys.Named([]string{"Docs.Read"}, catalog.Create)})
		w.Must(err)
		made := w.Create(keys.KeyDraft{Roles: keys.Named([]string{"READER"}, catalog.Refuse), Permissions: keys.Named([]string{"Docs.List"}, catalog.Create)})
		for permission, want := range map[string]verify.Code{
			"Docs.Read": verify.Valid, "Docs.List": verify.Valid,
			"docs.read": verify.InsufficientPermissions, "DOCS.READ": verify.InsufficientPermissions, "docs.list": verify.InsufficientPermissions,
		} {
			o, err := w.Verify(t.Context(), &verify.Request{Secret: made.Secret, Permissions: verify.Permission(permission), Cost: verify.Free})
			w.Must(err)
			if o.Code != want {
				t.Errorf("%s: %s, want %s", permission, o.Code, want)
			}
			if want == verify.Valid && (!slices.Equal(o.Resolved.RoleNames(), []string{"Reader"}) || !slices.Equal(o.Resolved.Permissions, []string{"Docs.List", "Docs.Read"})) {
				t.Errorf("shown are %q and %q", o.Resolved.RoleNames(), o.Resolved.Permissions)
			}
		}
	})
}
