package transfer_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/keystest"
	"tollgate/keys/setupkeys"
	"tollgate/keys/store"
	"tollgate/keys/usage"
	"tollgate/ratelimit"
	"tollgate/refill"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// longest is a window that does not end while a test runs, but once in a month.
const longest = keys.MaxDuration

// life is a workspace in which everything happens that can, at random.
type life struct {
	t       *testing.T
	r       *rand.Rand
	store   *store.Store
	usage   *usage.Counter
	gateway *verify.Verifier
	access  keys.Access

	apis    []string
	ids     []string      // of keys, also of some that are gone
	secrets []keys.Secret // likewise
	setups  []string
	tokens  []keys.Secret // of setup keys
	roots   []string
	groups  []string
	done    map[string]int // how often an operation succeeded
}

func begin(t *testing.T, c redis.UniversalClient, sealer *store.Sealer, workspace string, seed uint64) *life {
	t.Helper()
	l := &life{t: t, r: rand.New(rand.NewPCG(seed, 1)), store: store.Open(c, store.Options{Timeout: 5 * time.Second, Sealer: sealer}), done: map[string]int{}}
	l.usage = usage.NewCounter(usage.NewReader(l.store, 0))
	l.gateway = verify.New(l.store, verify.Options{Observer: verify.CountUsage(l.usage, nil)})
	ws, err := l.store.Workspace(t.Context(), workspace)
	if err != nil {
		t.Fatal(err)
	}
	l.access = keys.Operator(ws).As()
	l.note("api", l.makeAPI())
	return l
}

// world is the workspace as the kit sees it.
func (l *life) world() *keystest.World {
	return &keystest.World{Gateway: keystest.Gateway{Store: l.store, Verifier: l.gateway}, TB: l.t, Access: l.access}
}

// live does n things and counts what was used.
func (l *life) live(n int) {
	l.t.Helper()
	all := l.things()
	for range n {
		one := all[l.r.IntN(len(all))]
		l.note(one.name, one.do())
	}
	if err := l.usage.Close(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
}

// note counts what succeeded. Much is refused, because what it is about is gone; a
// store that does not answer is a failure.
func (l *life) note(name string, err error) {
	l.t.Helper()
	switch keystest.Kind(err) {
	case keys.KindUnavailable, keys.KindInternal:
		l.t.Fatalf("%s: %v", name, err)
	case 255:
		l.done[name]++
	}
}

func pick[T any](r *rand.Rand, all []T) (one T) {
	if len(all) > 0 {
		one = all[r.IntN(len(all))]
	}
	return one
}

func (l *life) some(names ...string) (some []string) {
	for _, name := range names {
		if l.r.IntN(2) == 0 {
			some = append(some, name)
		}
	}
	return some
}

func (l *life) owner() string { return pick(l.r, []string{"", "ann", "bob", "cid:1", "ü"}) }

type thing struct {
	name string
	do   func() error
}

func (l *life) things() []thing {
	ctx, s, a := l.t.Context(), l.store, l.access
	id := func() string { return pick(l.r, l.ids) }
	all := []thing{
		{"create", l.makeKey}, {"create", l.makeKey}, {"create", l.makeKey}, {"import", l.importKey},
		{"update", l.updateKey}, {"update", l.updateKey},
		{"credits", func() error {
			_, _, err := s.UpdateCredits(ctx, a, id(), pick(l.r, []keys.CreditsOperation{store.SetCredits, store.IncrementCredits, store.DecrementCredits}), keystest.Uses(int64(l.r.IntN(9))))
			return err
		}},
		{"delete", func() error { return s.DeleteKey(ctx, a, id(), false) }},
		{"delete for good", func() error { return s.DeleteKey(ctx, a, id(), true) }},
		{"reroll", func() error {
			made, err := s.RerollKey(ctx, a, id(), store.Reroll{Grace: int64(l.r.IntN(2)) * 1e9})
			return l.made(made, err)
		}},
		{"role", func() error {
			_, err := s.SetRolePermissions(ctx, a, keys.Ref{Name: pick(l.r, []string{"admin", "user"})}, keys.Named(l.some("Docs.read", "docs.write", "x"), catalog.CreateFreely))
			return err
		}},
		{"drop a role", func() error {
			if l.r.IntN(4) > 0 {
				return nil
			}
			return s.DeleteRole(ctx, a, keys.Ref{Name: pick(l.r, []string{"admin", "user"})})
		}},
		{"drop a permission", func() error { return s.DeletePermission(ctx, a, keys.Ref{Name: "x"}) }},
		{"identity", func() error {
			limits := []ratelimit.Limit{{Name: pick(l.r, []string{"shared", "l"}), Limit: 30, Duration: longest, AutoApply: l.r.IntN(2) == 0}}
			_, err := s.UpdateIdentity(ctx, a, keys.IdentityRef{ExternalID: l.owner()}, keys.IdentityPatch{Limits: keys.To(limits), Meta: keys.To([]byte(`{"n":1}`))})
			return err
		}},
		{"drop an identity", func() error { return s.DeleteIdentity(ctx, a, keys.IdentityRef{ExternalID: "bob"}) }},
		{"api", l.makeAPI},
		{"addresses", func() error { return s.AllowIPs(ctx, a, pick(l.r, l.apis[1:]), []string{"10.0.0.0/8"}) }},
		{"drop an api", func() error {
			if len(l.apis) < 3 || l.r.IntN(3) > 0 {
				return nil
			}
			return s.DeleteAPI(ctx, a, pick(l.r, l.apis[1:]))
		}},
		{"root", func() error {
			made, _, err := s.CreateRootKey(ctx, a.WorkspaceID, keys.RootDraft{Name: "r", Grants: l.some("api.*.create_key", "*")})
			l.roots = append(l.roots, made)
			return err
		}},
		{"drop a root", func() error { return s.DeleteRootKey(ctx, a.WorkspaceID, pick(l.r, l.roots)) }},
		{"migration", func() error {
			_, err := s.CreateMigration(ctx, a.WorkspaceID, pick(l.r, []string{"mig:1", "mig:2"}), keys.PrefixedAPIKey)
			return err
		}},
		{"migrate", l.migrate},
	}
	for range 3 {
		all = append(all, thing{"verify", l.verify}, thing{"verify", l.verify}, thing{"limit", l.limit}, thing{"redeem", l.redeem})
	}
	return append(all, l.setupThings()...)
}

func (l *life) setupThings() []thing {
	ctx, s, a := l.t.Context(), l.store, l.access
	space := func() keys.NamespaceRef {
		return keys.NamespaceRef{Name: pick(l.r, []string{"email", "sms"})}
	}
	return []thing{
		{"override", func() error {
			_, err := s.SetOverride(ctx, a, space(), keys.Override{Identifier: pick(l.r, []string{"u*", "u1"}), Limit: int64(l.r.IntN(20)), Duration: longest})
			return err
		}},
		{"drop an override", func() error { return s.DeleteOverride(ctx, a, space(), "u1") }},
		{"drop a namespace", func() error {
			return s.DeleteNamespace(ctx, a, keys.NamespaceRef{Name: "gone"})
		}},
		{"group", func() error {
			g, err := setupkeys.New(s).CreateGroup(ctx, a, fmt.Sprint("g", l.r.IntN(5)))
			if err == nil {
				l.groups = append(l.groups, g.ID)
			}
			return err
		}},
		{"drop a group", func() error { return setupkeys.New(s).DeleteGroup(ctx, a, pick(l.r, l.groups)) }},
		{"setup key", l.makeSetup},
		{"update a setup key", func() error {
			revoked := l.r.IntN(2) == 0
			_, err := setupkeys.New(s).UpdateSetupKey(ctx, a, pick(l.r, l.setups), setupkeys.SetupKeyPatch{Groups: append([]string{}, l.some(l.groups...)...), Revoked: &revoked})
			return err
		}},
		{"drop a setup key", func() error {
			if l.r.IntN(3) > 0 {
				return nil
			}
			return setupkeys.New(s).DeleteSetupKey(ctx, a, pick(l.r, l.setups))
		}},
	}
}

func (l *life) makeAPI() error {
	made, err := l.store.CreateAPI(l.t.Context(), l.access, fmt.Sprint("api", len(l.apis)))
	if err == nil {
		l.apis = append(l.apis, made.ID)
	}
	return err
}

func (l *life) made(k keys.NewKey, err error) error {
	if err == nil {
		l.ids, l.secrets = append(l.ids, k.ID), append(l.secrets, k.Secret)
	}
	return err
}

func (l *life) draft() keys.KeyDraft {
	d := keys.KeyDraft{
		APIID: pick(l.r, l.apis), Prefix: pick(l.r, []string{"", "live", "a_b"}), Name: "n", ExternalID: l.owner(), Meta: []byte(`{"a":[1]}`),
		Permissions: keys.Named(l.some("docs.read", "x"), catalog.CreateFreely), Roles: keys.Named(l.some("admin", "user"), catalog.CreateFreely),
		Disabled: l.r.IntN(6) == 0, Recoverable: l.r.IntN(3) == 0, Environment: "test",
	}
	if l.r.IntN(2) == 0 {
		d.Remaining = keystest.Uses(int64(l.r.IntN(9)))
		if l.r.IntN(2) == 0 {
			d.Refill = &refill.Schedule{Amount: 100, Day: l.r.IntN(3)}
		}
	}
	for _, name := range l.some("l", "m") {
		d.Limits = append(d.Limits, ratelimit.Limit{Name: name, Limit: 12, Duration: longest, AutoApply: l.r.IntN(2) == 0})
	}
	if l.r.IntN(6) == 0 {
		d.Expires = time.Now().Add(time.Duration(l.r.IntN(2)*48-24) * time.Hour).UnixMilli()
	}
	return d
}

func (l *life) makeKey() error {
	return l.made(l.store.CreateKey(l.t.Context(), l.access, l.draft()))
}

func (l *life) importKey() error {
	d := keys.ImportDraft{KeyDraft: l.draft(), Secret: keys.NewSecret(fmt.Sprint("imported_secret_", l.access.WorkspaceID, len(l.secrets)))}
	d.Recoverable = false
	ids, err := l.store.ImportKeys(l.t.Context(), l.access, []keys.ImportDraft{d})
	if err != nil {
		return err
	}
	return l.made(keys.NewKey{ID: ids[0], Secret: d.Secret}, nil)
}

// migrate brings in a key of which the hash of a part is known; when its secret is
// presented first it moves to another place.
func (l *life) migrate() error {
	n := fmt.Sprint(l.access.WorkspaceID[3:], len(l.secrets)) // digests are unique in a store
	sum := sha256.Sum256([]byte("long" + n))
	d := keys.MigrationDraft{KeyDraft: keys.KeyDraft{APIID: l.apis[0]}, Hash: hex.EncodeToString(sum[:])}
	ids, err := l.store.MigrateKeys(l.t.Context(), l.access, "mig:1", []keys.MigrationDraft{d})
	if err != nil {
		return err
	}
	whole := keys.NewSecret("pre_short" + n + "_long" + n)
	if l.r.IntN(2) == 0 {
		err = l.store.CompleteMigration(l.t.Context(), l.access, "mig:1", whole)
	}
	return l.made(keys.NewKey{ID: ids[0], Secret: whole}, err)
}

func (l *life) updateKey() error {
	d := l.draft()
	p := keys.KeyPatch{Name: keys.To("renamed"), ExternalID: keys.To(d.ExternalID), Disabled: keys.To(d.Disabled)}
	if l.r.IntN(2) == 0 {
		p.Roles, p.Permissions = keys.To(d.Roles), keys.To(d.Permissions)
	}
	if l.r.IntN(2) == 0 {
		p.Limits = keys.To(d.Limits)
	}
	return l.store.UpdateKey(l.t.Context(), l.access, pick(l.r, l.ids), p)
}

func (l *life) makeSetup() error {
	d := setupkeys.SetupKeyDraft{Name: "s", Type: setupkeys.SetupReusable, UsageLimit: int64(l.r.IntN(4)), Groups: append([]string{}, l.some(l.groups...)...), ExtraDNSLabels: l.r.IntN(2) == 0}
	made, secret, err := setupkeys.New(l.store).CreateSetupKey(l.t.Context(), l.access, d)
	if err == nil {
		l.setups, l.tokens = append(l.setups, made.ID), append(l.tokens, secret)
	}
	return err
}

func (l *life) redeem() error {
	r := setupkeys.RedeemRequest{Secret: pick(l.r, l.tokens), Peer: fmt.Sprint("peer", l.r.IntN(6))}
	if l.r.IntN(3) == 0 {
		r.ExtraDNSLabels = []string{"a.example"}
	}
	_, err := setupkeys.New(l.store).Redeem(l.t.Context(), l.access, r)
	return err
}

func (l *life) verify() error {
	all := append(l.tokens[:len(l.tokens):len(l.tokens)], l.secrets...)
	r := &verify.Request{Secret: pick(l.r, all), Cost: verify.Costs(int64(l.r.IntN(3))), Tags: l.some("a", "b", "path=/x", "ü")}
	if l.r.IntN(3) == 0 {
		r.Limits = append(r.Limits, verify.LimitRequest{Name: "named: here", Cost: 1, Own: true, Limit: 4, Duration: longest})
	}
	if l.r.IntN(3) == 0 {
		r.Permissions = verify.Permission("docs.read")
	}
	_, err := l.gateway.Verify(l.t.Context(), r)
	return err
}

func (l *life) limit() error {
	check := verify.LimitCheck{Namespace: pick(l.r, []string{"email", "sms", "gone"}), Identifier: pick(l.r, []string{"u1", "u2", "a:b{c}"}), Limit: 9, Duration: longest, Cost: 1}
	_, _, err := l.gateway.Limit(l.t.Context(), l.access, []verify.LimitCheck{check})
	return err
}

// hash is what a migration from Unkey gives of a secret.
func hash(secret keys.Secret) string {
	sum := secret.Digest()
	return base64.StdEncoding.EncodeToString(sum[:])
}
