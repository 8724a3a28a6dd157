package setupkeys_test

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/setupkeys"
	"tollgate/keys/store"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// office is a workspace whose setup keys are tested, as an operator sees it.
type office struct {
	*setupkeys.Keys
	*keystest.World
}

func newOffice(t *testing.T, c redis.UniversalClient) *office {
	t.Helper()
	return officeOf(keystest.New(t, c, "office"))
}

func officeOf(w *keystest.World) *office { return &office{setupkeys.New(w.Store), w} }

// again is the same workspace through another gateway.
func (o *office) again() *office { return officeOf(o.On(o.Redis())) }

// make is a setup key of a draft in which only what matters is said.
func (o *office) make(d setupkeys.SetupKeyDraft) (*setupkeys.SetupKey, keys.Secret) {
	o.TB.Helper()
	if d.Name == "" {
		d.Name = "laptops"
	}
	if d.Type == "" {
		d.Type = setupkeys.SetupReusable
	}
	k, secret, err := o.CreateSetupKey(o.TB.Context(), o.Access, d)
	o.Must(err)
	return k, secret
}

func (o *office) group(name string) string {
	o.TB.Helper()
	g, err := o.CreateGroup(o.TB.Context(), o.Access, name)
	o.Must(err)
	return g.ID
}

func (o *office) get(id string) *setupkeys.SetupKey {
	o.TB.Helper()
	k, err := o.SetupKey(o.TB.Context(), o.Access, id)
	o.Must(err)
	return k
}

func (o *office) update(id string, groups []string, revoked bool) *setupkeys.SetupKey {
	o.TB.Helper()
	k, err := o.UpdateSetupKey(o.TB.Context(), o.Access, id, setupkeys.SetupKeyPatch{Groups: groups, Revoked: &revoked})
	o.Must(err)
	return k
}

func (o *office) redeem(secret keys.Secret, peer string) (*setupkeys.Redemption, error) {
	return o.Redeem(context.Background(), o.Access, setupkeys.RedeemRequest{Secret: secret, Peer: peer})
}

// enrol is a redemption that must succeed.
func (o *office) enrol(secret keys.Secret, peer string) *setupkeys.Redemption {
	o.TB.Helper()
	r, err := o.redeem(secret, peer)
	o.Must(err)
	return r
}

// refused checks the kind of an error, and returns its message.
func (o *office) refused(kind keys.Kind, err error) string {
	o.TB.Helper()
	e := keys.AsError(err)
	if e == nil || e.Kind != kind {
		o.TB.Fatalf("want %v, got %v", kind, err)
	}
	return e.Message
}

// lost checks that a redemption was refused like that of a key that nobody has, and
// why.
func (o *office) lost(want setupkeys.RedeemReason, err error) {
	o.TB.Helper()
	if message := o.refused(keys.KindNotFound, err); message != "couldn't add peer: setup key is invalid" {
		o.TB.Errorf("it says %q", message)
	}
	var why *setupkeys.RedemptionError
	if !errors.As(err, &why) || why.Reason != want {
		o.TB.Errorf("want the reason %q, got %v", want, err)
	}
}

var (
	xidForm    = regexp.MustCompile(`^[0-9a-v]{20}$`)
	secretForm = regexp.MustCompile(`^[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}$`)
)

// A setup key is told as it was made, and again when it is read, on any gateway.
func TestSetupKeyIsReadAsMade(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		o := newOffice(t, c)
		b, a := o.group("b"), o.group("a")
		k, secret := o.make(setupkeys.SetupKeyDraft{
			Name: " spaced ", UsageLimit: 7, ExpiresIn: 3600, Groups: []string{b, a, b}, Ephemeral: true, ExtraDNSLabels: true,
		})
		if !xidForm.MatchString(k.ID) || !secretForm.MatchString(secret.Reveal()) || k.Start != secret.Reveal()[:5] {
			t.Errorf("id %q, start %q", k.ID, k.Start)
		}
		read := o.again().get(k.ID)
		for _, one := range []*setupkeys.SetupKey{k, read} {
			if one.Name != " spaced " || !slices.Equal(one.Setup.Groups, []string{b, a, b}) || !one.Setup.Ephemeral || !one.Setup.ExtraDNSLabels ||
				!one.Setup.Reusable || one.Setup.UsageLimit != 7 || one.UsedTimes != 0 || one.LastUsed != 0 || one.State != keys.SetupValid ||
				one.Expires != one.CreatedAt+3600_000 || one.UpdatedAt != 0 {
				t.Errorf("%+v %+v", one.Key, one)
			}
		}
		all, err := o.again().SetupKeys(t.Context(), o.Access)
		if o.Must(err); len(all) != 1 || all[0].ID != k.ID {
			t.Errorf("%+v", all)
		}
	})
}

// The first check that fails is the one that is told, in NetBird's order.
func TestSetupKeyChecksInOrder(t *testing.T) {
	o := newOffice(t, redistest.Empty(t))
	all := o.all()
	for _, row := range []struct {
		want string
		d    setupkeys.SetupKeyDraft
	}{
		{"setup key name shouldn't be empty", setupkeys.SetupKeyDraft{Name: " \t", Type: "Reusable"}},
		{"setup key name has at most 4096 bytes", setupkeys.SetupKeyDraft{Name: strings.Repeat("x", 4097), Type: "Reusable"}},
		{"unknown setup key type Reusable", setupkeys.SetupKeyDraft{Name: "n", Type: "Reusable", UsageLimit: -1}},
		{"unknown setup key type ", setupkeys.SetupKeyDraft{Name: "n"}},
		{"usage_limit 2 is not valid for a one-off setup key, which can be used once; use type reusable for a key that can be used more than once",
			setupkeys.SetupKeyDraft{Name: "n", Type: "one-off", UsageLimit: 2, ExpiresIn: -1}},
		{"usage_limit can not be negative", setupkeys.SetupKeyDraft{Name: "n", Type: "reusable", UsageLimit: -1, ExpiresIn: -1}},
		{"usage_limit can not be negative", setupkeys.SetupKeyDraft{Name: "n", Type: "one-off", UsageLimit: -1, ExpiresIn: -1}},
		{"usage_limit can not be more than 9007199254740991", setupkeys.SetupKeyDraft{Name: "n", Type: "reusable", UsageLimit: 1 << 53}},
		{"expiresIn can not be in the past", setupkeys.SetupKeyDraft{Name: "n", Type: "reusable", ExpiresIn: -1, Groups: []string{"no"}}},
		{"expiresIn can not be more than 100 years", setupkeys.SetupKeyDraft{Name: "n", Type: "reusable", ExpiresIn: keys.MaxSetupExpiry + 1}},
		{"expiresIn can not be more than 100 years", setupkeys.SetupKeyDraft{Name: "n", Type: "reusable", ExpiresIn: 1<<63 - 1}},
		{"expiresIn should be between 60 and 90 seconds", setupkeys.SetupKeyDraft{Name: "n", Type: "reusable", Lifetimes: setupkeys.Lifetimes{Min: 60, Max: 90}}},
		{"expiresIn should be between 60 and 90 seconds", setupkeys.SetupKeyDraft{Name: "n", Type: "reusable", ExpiresIn: 91, Lifetimes: setupkeys.Lifetimes{Min: 60, Max: 90}}},
		{"invalid auto groups: group not found: no", setupkeys.SetupKeyDraft{Name: "n", Type: "reusable", Groups: []string{"no", all}}},
		{"invalid auto groups: can't add 'All' group to the setup key", setupkeys.SetupKeyDraft{Name: "n", Type: "reusable", Groups: []string{all, "no"}}},
		{"invalid auto groups: at most 500", setupkeys.SetupKeyDraft{Name: "n", Type: "reusable", Groups: make([]string, 501)}},
	} {
		_, _, err := o.CreateSetupKey(t.Context(), o.Access, row.d)
		if got := o.refused(keys.KindInvalid, err); got != row.want {
			t.Errorf("%+v: %q, want %q", row.d, got, row.want)
		}
	}
	if list, err := o.SetupKeys(t.Context(), o.Access); err != nil || len(list) != 0 {
		t.Errorf("something was stored: %v, %v", list, err)
	}
}

func (o *office) all() string {
	o.TB.Helper()
	groups, err := o.Groups(o.TB.Context(), o.Access)
	o.Must(err)
	return groups[0].ID
}

// A key that expires does so in the millisecond it says, for every reader, and
// expired hides revoked hides overused.
func TestSetupKeyStates(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		clock.SetClock(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
		o := newOffice(t, c)
		k, secret := o.make(setupkeys.SetupKeyDraft{Type: setupkeys.SetupOneOff, ExpiresIn: 3600})
		expect := func(want keys.SetupState) {
			t.Helper()
			if got := o.get(k.ID).State; got != want {
				t.Fatalf("%s, want %s", got, want)
			}
		}
		expect(keys.SetupValid)
		r := o.enrol(secret, "p")
		expect(keys.SetupOverused)
		_, err := o.redeem(secret, "q")
		o.lost("overused", err)
		o.update(k.ID, []string{}, true)
		expect(keys.SetupRevoked)
		_, err = o.redeem(secret, "q")
		o.lost("revoked", err)
		clock.Advance(time.Hour - 30*time.Second)
		expect(keys.SetupRevoked)
		clock.Advance(31 * time.Second)
		expect(keys.SetupExpired)
		_, err = o.redeem(secret, "q")
		o.lost("expired", err)
		if got := o.get(k.ID); got.LastUsed != r.At || got.UsedTimes != 1 || !got.Disabled {
			t.Errorf("%+v", got)
		}
		if got := o.update(k.ID, []string{}, true); got.State != keys.SetupExpired || got.UpdatedAt < r.At {
			t.Errorf("%+v", got)
		}
	})
}

// Revoked can be taken back, and a change that says nothing of it leaves it.
func TestSetupKeyRevocation(t *testing.T) {
	o := newOffice(t, redistest.Empty(t))
	g := o.group("g")
	k, secret := o.make(setupkeys.SetupKeyDraft{})
	for range 2 {
		if got := o.update(k.ID, []string{}, true); got.State != keys.SetupRevoked {
			t.Fatalf("%+v", got)
		}
	}
	got, err := o.UpdateSetupKey(t.Context(), o.Access, k.ID, setupkeys.SetupKeyPatch{Groups: []string{g}})
	if o.Must(err); got.State != keys.SetupRevoked || !slices.Equal(got.Setup.Groups, []string{g}) {
		t.Fatalf("%+v", got)
	}
	if got := o.update(k.ID, []string{g}, false); got.State != keys.SetupValid {
		t.Fatalf("%+v", got)
	}
	if r := o.enrol(secret, "p"); !slices.Equal(r.Groups, []string{g}) {
		t.Errorf("%+v", r)
	}
}

// What is wrong about a change is told before what is wrong about the key.
func TestSetupKeyUpdateChecksInOrder(t *testing.T) {
	o := newOffice(t, redistest.Empty(t))
	patch := func(id string, groups []string) error {
		_, err := o.UpdateSetupKey(t.Context(), o.Access, id, setupkeys.SetupKeyPatch{Groups: groups})
		return err
	}
	if got := o.refused(keys.KindInvalid, patch("nobody", nil)); got != "setup key autogroups field is invalid" {
		t.Error(got)
	}
	o.refused(keys.KindInvalid, patch("nobody", []string{"no"}))
	o.refused(keys.KindInvalid, patch("nobody", []string{o.all()}))
	if got := o.refused(keys.KindNotFound, patch("Nobody", []string{})); got != "setup key: Nobody not found" {
		t.Error(got)
	}
	k, _ := o.make(setupkeys.SetupKeyDraft{})
	o.refused(keys.KindInvalid, patch(k.ID, []string{"no"}))
	if got := o.get(k.ID); got.UpdatedAt != 0 {
		t.Errorf("a refused change was made: %+v", got)
	}
}

// A deleted key is gone at once with all that it had, its secret included.
func TestSetupKeyDeletion(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		o := newOffice(t, c)
		g := o.group("g")
		names := func() (all []string) {
			var mu sync.Mutex
			each := func(ctx context.Context, node *redis.Client) error {
				found, err := node.Keys(ctx, "tg:*").Result()
				mu.Lock()
				defer mu.Unlock()
				all = append(all, found...)
				return err
			}
			if cluster, ok := c.(*redis.ClusterClient); ok {
				o.Must(cluster.ForEachMaster(t.Context(), each))
			} else {
				o.Must(each(t.Context(), c.(*redis.Client)))
			}
			slices.Sort(all)
			return all
		}
		warm, _ := o.make(setupkeys.SetupKeyDraft{})
		o.Must(o.DeleteSetupKey(t.Context(), o.Access, warm.ID))
		o.make(setupkeys.SetupKeyDraft{Groups: []string{g}}) // its list and its group stay
		before := names()
		k, secret := o.make(setupkeys.SetupKeyDraft{Type: setupkeys.SetupOneOff, Groups: []string{g, g}})
		o.enrol(secret, "p")
		_, err := o.redeem(secret, "q")
		o.lost("overused", err)
		o.Must(o.DeleteSetupKey(t.Context(), o.Access, k.ID))
		if after := names(); !slices.Equal(before, after) {
			t.Errorf("left behind:\n%v\nbefore:\n%v", after, before)
		}
		_, err = o.redeem(secret, "p")
		o.lost("unknown", err)
		o.refused(keys.KindNotFound, o.DeleteSetupKey(t.Context(), o.Access, k.ID))
		_, err = o.again().SetupKey(t.Context(), o.Access, k.ID)
		o.refused(keys.KindNotFound, err)
	})
}

// Every key is listed, the oldest first, however many pages a list has.
func TestSetupKeysAreListedWhole(t *testing.T) {
	o := newOffice(t, redistest.Empty(t))
	var made []string
	for range 1100 {
		k, _ := o.make(setupkeys.SetupKeyDraft{})
		made = append(made, k.ID)
	}
	for _, i := range []int{0, 499, 500, 1099} {
		o.Must(o.DeleteSetupKey(t.Context(), o.Access, made[i]))
		made[i] = ""
	}
	made = slices.DeleteFunc(made, func(id string) bool { return id == "" })
	list, err := o.SetupKeys(t.Context(), o.Access)
	o.Must(err)
	var listed []string
	for _, k := range list {
		listed = append(listed, k.ID)
	}
	if !slices.Equal(made, listed) {
		t.Errorf("made %d, listed %d", len(made), len(listed))
	}
}

// callCount counts the calls that a verifier makes.
type callCount struct{ n atomic.Int64 }

func (*callCount) Verified(*verify.Request, *verify.Outcome, error) {}

func (t *callCount) Sent(int, time.Duration, error) { t.n.Add(1) }

func (*callCount) CountersRefused() {}

func (*callCount) Limited(error) {}

// A setup key is no API key: a verification of one ends like that of a secret that
// nothing has, cold and warm, in as many calls, spends nothing, and never counts as a
// root key's.
func TestSetupKeyIsNotVerified(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		o := newOffice(t, c)
		limited, secret := o.make(setupkeys.SetupKeyDraft{Type: setupkeys.SetupOneOff})
		_, by, err := o.CreateRootKey(t.Context(), o.Access.WorkspaceID, keys.RootDraft{Grants: []string{keys.Everything}})
		o.Must(err)
		requests := map[string]func(keys.Secret) *verify.Request{
			"by nobody": func(s keys.Secret) *verify.Request { return &verify.Request{Secret: s, Cost: 5} },
			"by a root key": func(s keys.Secret) *verify.Request {
				return &verify.Request{Secret: s, RootKey: by, Cost: 1, APIID: limited.APIID, Limits: []verify.LimitRequest{{Name: "none", Cost: verify.Free}}}
			},
			"as a root key": func(s keys.Secret) *verify.Request { return &verify.Request{Secret: s, Root: true, Cost: 1} },
			"for a root key": func(s keys.Secret) *verify.Request {
				return &verify.Request{Secret: keys.NewSecret("absent"), RootKey: s, Cost: 1}
			},
		}
		for name, request := range requests {
			for _, presented := range []keys.Secret{secret, keys.NewSecret(strings.ToUpper("00000000-0000-4000-8000-00000000000a"))} {
				var sent callCount
				gateway := verify.New(store.Open(c, store.Options{Timeout: 10 * time.Second}), verify.Options{Timeout: 10 * time.Second, Observer: &sent})
				var made []int64
				for range 3 {
					got, err := gateway.Verify(t.Context(), request(presented))
					if name == "for a root key" {
						o.refused(keys.KindUnauthenticated, err)
					} else if o.Must(err); got.Code != verify.NotFound || got.Key != nil {
						t.Errorf("%s: %+v", name, got)
					}
					made = append(made, sent.n.Swap(0))
				}
				// The first of them reads the root key, and on a Cluster asks for it apart.
				if name != "by a root key" && !slices.Equal(made, []int64{1, 1, 1}) || made[1] != 1 || made[2] != 1 {
					t.Errorf("%s: %v calls", name, made)
				}
			}
		}
		if got := o.get(limited.ID); got.UsedTimes != 0 || got.State != keys.SetupValid || got.LastUsed != 0 {
			t.Errorf("%+v", got)
		}
		if got := o.enrol(secret, "p"); got.UsedTimes != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// Many who present the same setup key at once are all told that it is not there.
func TestSetupKeyIsNotVerifiedByManyAtOnce(t *testing.T) {
	o := newOffice(t, redistest.Empty(t))
	_, secret := o.make(setupkeys.SetupKeyDraft{})
	gateway := verify.New(o.Store, verify.Options{Timeout: 10 * time.Second})
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			if got, err := gateway.Verify(t.Context(), &verify.Request{Secret: secret, Cost: 1}); err != nil || got.Code != verify.NotFound {
				t.Errorf("%+v %v", got, err)
			}
		})
	}
	all.Wait()
}

// What an earlier release verified still says when a key was last used.
func TestSetupKeyLastUsed(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		o := newOffice(t, c)
		k, secret := o.make(setupkeys.SetupKeyDraft{UsageLimit: 2})
		redeemed := o.enrol(secret, "p").At
		if got := o.get(k.ID).LastUsed; got != redeemed {
			t.Errorf("%d, want %d", got, redeemed)
		}
		record, _ := layout.RecordName(k.Digest)
		o.Must(c.Set(t.Context(), strings.Replace(record, "tg:k:", "tg:n:", 1), redeemed+7, 0).Err())
		if got := o.get(k.ID).LastUsed; got != redeemed+7 {
			t.Errorf("%d, want %d", got, redeemed+7)
		}
	})
}

// What another workspace owns is not there, and a right is for one action.
func TestSetupKeysAreTheWorkspacesOwn(t *testing.T) {
	o := newOffice(t, redistest.Empty(t))
	g := o.group("g")
	k, secret := o.make(setupkeys.SetupKeyDraft{Groups: []string{g}})
	elsewhere, err := o.Workspace(t.Context(), "elsewhere")
	o.Must(err)
	other := keys.Operator(elsewhere).As()
	_, err = o.SetupKey(t.Context(), other, k.ID)
	o.refused(keys.KindNotFound, err)
	_, err = o.UpdateSetupKey(t.Context(), other, k.ID, setupkeys.SetupKeyPatch{Groups: []string{}})
	o.refused(keys.KindNotFound, err)
	o.refused(keys.KindNotFound, o.DeleteSetupKey(t.Context(), other, k.ID))
	_, err = o.Redemptions(t.Context(), other, k.ID, 0, 10)
	o.refused(keys.KindNotFound, err)
	_, err = o.Redeem(t.Context(), other, setupkeys.RedeemRequest{Secret: secret, Peer: "p"})
	o.lost("unknown", err)
	_, err = o.Group(t.Context(), other, g)
	o.refused(keys.KindNotFound, err)
	o.refused(keys.KindNotFound, o.DeleteGroup(t.Context(), other, g))
	_, err = o.RenameGroup(t.Context(), other, g, "mine")
	o.refused(keys.KindNotFound, err)
	_, _, err = o.CreateSetupKey(t.Context(), other, setupkeys.SetupKeyDraft{Name: "n", Type: setupkeys.SetupReusable, Groups: []string{g}})
	o.refused(keys.KindInvalid, err)
	if list, err := o.SetupKeys(t.Context(), other); err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
	if list, err := o.Groups(t.Context(), other); err != nil || len(list) != 1 || list[0].ID == o.all() {
		t.Errorf("%v %v", list, err)
	}
	if got := o.get(k.ID); got.UsedTimes != 0 || got.UpdatedAt != 0 {
		t.Errorf("%+v", got)
	}
}

// A caller with the right over one key has it over no other, and can't find out
// which others there are.
func TestSetupKeyRights(t *testing.T) {
	o := newOffice(t, redistest.Empty(t))
	mine, secret := o.make(setupkeys.SetupKeyDraft{})
	theirs, other := o.make(setupkeys.SetupKeyDraft{})
	caller := &keys.Caller{WorkspaceID: o.Access.WorkspaceID, Grants: []string{"setup_keys." + mine.ID + ".read", "setup_keys." + mine.ID + ".redeem"}}
	_, err := o.SetupKey(t.Context(), caller.As(keys.ReadSetupKey), mine.ID)
	o.Must(err)
	for _, id := range []string{theirs.ID, "nobody"} {
		_, err = o.SetupKey(t.Context(), caller.As(keys.ReadSetupKey), id)
		o.refused(keys.KindMissingPermission, err)
	}
	redeem := func(secret keys.Secret) error {
		_, err := o.Redeem(t.Context(), caller.As(keys.RedeemSetupKey), setupkeys.RedeemRequest{Secret: secret, Peer: "p"})
		return err
	}
	o.Must(redeem(secret))
	for _, secret := range []keys.Secret{other, keys.NewSecret("nobody's")} {
		o.refused(keys.KindMissingPermission, redeem(secret))
	}
	_, err = o.SetupKeys(t.Context(), caller.As(keys.ReadSetupKey))
	o.refused(keys.KindMissingPermission, err)
	o.refused(keys.KindMissingPermission, o.DeleteSetupKey(t.Context(), caller.As(keys.DeleteSetupKey), mine.ID))
}
