package transfer_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/setupkeys"
	"tollgate/keys/store"
	"tollgate/keys/transfer"
	"tollgate/keys/usage"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// view is what a client can see of a workspace through one store.
type view struct {
	t      *testing.T
	store  *store.Store
	access keys.Access
	life   *life
	seen   []string
}

// see notes an answer, errors as well.
func (v *view) see(what string, answer any, err error) {
	v.t.Helper()
	if k := keystest.Kind(err); k == keys.KindUnavailable || k == keys.KindInternal {
		v.t.Fatalf("%s: %v", what, err)
	}
	text, failed := json.Marshal(answer)
	if failed != nil {
		v.t.Fatalf("%s: %v", what, failed)
	}
	v.seen = append(v.seen, fmt.Sprintf("%s: %s %v", what, text, err))
}

// look sees everything that can be read without changing anything.
func look(l *life, store *store.Store) []string {
	v := &view{l.t, store, l.access, l, nil}
	v.definitions()
	for _, id := range l.apis {
		v.keysOf(id)
		v.used(id)
	}
	for i, id := range l.ids {
		d, err := store.Key(l.t.Context(), l.access, id, true)
		v.see("key "+id, detail(d), err)
		made, err := store.ImportKeys(l.t.Context(), l.access, taken(l, i))
		if err == nil {
			v.see("import of "+id, len(made), store.DeleteKey(l.t.Context(), l.access, made[0], true)) // it was free
			continue
		}
		v.see("import of "+id, nil, err)
	}
	for _, id := range l.setups {
		k, err := setupkeys.New(store).SetupKey(l.t.Context(), l.access, id)
		v.see("setup key", k, err)
		r, err := setupkeys.New(store).Redemptions(l.t.Context(), l.access, id, 0, 100)
		v.see("redemptions", r, err)
	}
	return v.seen
}

func taken(l *life, i int) []keys.ImportDraft {
	digest, _ := keys.ParseDigest(hash(l.secrets[i]))
	return []keys.ImportDraft{{KeyDraft: keys.KeyDraft{APIID: l.apis[0]}, Digest: digest}}
}

// detail is a key without the moment at which it was looked at.
func detail(d *store.Details) any {
	if d == nil {
		return nil
	}
	return []any{d.Key, d.State, d.Resolved.API, d.Resolved.Identity, d.Resolved.Permissions, d.Resolved.Direct, d.Resolved.Roles, d.Secret.Reveal()}
}

func (v *view) definitions() {
	ctx, s, a := v.t.Context(), v.store, v.access
	apis, err := s.APIs(ctx, a, catalog.ListOptions{})
	v.see("apis", apis, err)
	permissions, err := s.Permissions(ctx, a, catalog.ListOptions{})
	v.see("permissions", permissions, err)
	roles, err := s.Roles(ctx, a, catalog.ListOptions{})
	v.see("roles", roles, err)
	identities, err := s.Identities(ctx, a, catalog.ListOptions{})
	v.see("identities", identities, err)
	migrations, err := s.Migrations(ctx, a.WorkspaceID, catalog.ListOptions{})
	v.see("migrations", migrations, err)
	groups, err := setupkeys.New(s).Groups(ctx, a)
	v.see("groups", groups, err)
	roots, _, err := s.RootKeys(ctx, a.WorkspaceID, 0)
	v.see("roots", roots, err)
	setups, err := setupkeys.New(s).SetupKeys(ctx, a)
	v.see("setup keys", setups, err)
	for _, name := range []string{"email", "sms", "gone"} {
		page, err := s.ListOverrides(ctx, a, keys.NamespaceRef{Name: name}, catalog.OverrideCursor{}, 100)
		v.see("overrides of "+name, page, err)
	}
}

func (v *view) keysOf(api string) {
	for _, owner := range []string{"", "ann", "bob", "ü"} {
		for after := ""; ; {
			page, err := v.store.Keys(v.t.Context(), v.access, store.KeyQuery{APIID: api, ExternalID: owner, After: after, Limit: 7, Decrypt: true})
			if err != nil {
				v.see("keys", nil, err)
				break
			}
			var known []*keys.Key
			for _, d := range page.Keys {
				known, after = append(known, d.Key), d.Key.ID
				v.see("listed of "+owner, detail(d), nil)
			}
			used, err := v.store.LastUsed(v.t.Context(), known...)
			v.see("last used", used, err)
			if page.Next == "" {
				v.see("total", page.Total, nil)
				break
			}
		}
	}
}

// used asks for the usage of an API in every way.
func (v *view) used(api string) {
	now, err := v.store.Now(v.t.Context())
	if err != nil {
		v.t.Fatal(err)
	}
	now -= now % (24 * 3600_000)
	for _, q := range []usage.Query{
		{}, {Group: usage.Groups{Key: true}}, {Group: usage.Groups{Identity: true}}, {Group: usage.Groups{Tags: true}},
		{Group: usage.Groups{Tag: true, Key: true, Identity: true}}, {Group: usage.Groups{Span: usage.ByHour}, Tags: []string{"a"}},
		{ExternalID: "ann", Group: usage.Groups{Span: usage.ByDay, Tags: true}}, {KeyIDs: v.life.ids, Group: usage.Groups{Span: usage.ByMonth}},
	} {
		q.APIID, q.Start, q.End = api, now-48*3600_000, now+48*3600_000
		rows, err := usage.NewReader(v.store, 0).Query(v.t.Context(), v.access, q)
		v.see(fmt.Sprintf("usage %+v", q.Group), rows, err)
	}
}

// spend uses everything once more and gives what came of it, without the moment.
func spend(l *life, store *store.Store) (came []string) {
	gateway := verify.New(store, verify.Options{})
	for _, secret := range l.secrets {
		if err := store.CompleteMigration(l.t.Context(), l.access, "mig:1", secret); err != nil {
			l.t.Fatal(err)
		}
	}
	for _, secret := range append(l.tokens[:len(l.tokens):len(l.tokens)], l.secrets...) {
		o, err := gateway.Verify(l.t.Context(), &verify.Request{Secret: secret, Cost: 1, Limits: []verify.LimitRequest{
			{Name: "named: here", Cost: 1, Own: true, Limit: 4, Duration: longest},
		}})
		if err != nil {
			l.t.Fatal(err)
		}
		came = append(came, fmt.Sprint(o.Code, balance(o), o.Limits))
	}
	for _, space := range []string{"email", "sms", "gone"} {
		for _, who := range []string{"u1", "u2", "a:b{c}"} {
			verdicts, ok, err := gateway.Limit(l.t.Context(), l.access, []verify.LimitCheck{{Namespace: space, Identifier: who, Limit: 9, Duration: longest, Cost: 1}})
			came = append(came, fmt.Sprint(decided(verdicts), ok, err))
		}
	}
	for _, token := range l.tokens {
		for peer := range 7 {
			r, err := setupkeys.New(store).Redeem(l.t.Context(), l.access, setupkeys.RedeemRequest{Secret: token, Peer: fmt.Sprint("peer", peer)})
			if err != nil {
				came = append(came, err.Error())
				continue
			}
			came = append(came, fmt.Sprint(r.Key.ID, r.UsedTimes, r.Groups))
		}
	}
	return came
}

// left returns a line that an import leaves out.
func (s *world) left(lines []transfer.ExportRecord) string {
	s.TB.Helper()
	for _, l := range lines {
		if done, err := keystest.Transfer(s.Store).Import(s.TB.Context(), s.Access.WorkspaceID, []transfer.ExportRecord{l}); err != nil || done.Different > 0 {
			return fmt.Sprintf("%+v %v", l, err)
		}
	}
	return "none"
}

func sameLines(t *testing.T, what string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Fatalf("%s: %q is missing", what, want[i])
		case i >= len(want):
			t.Fatalf("%s: %q is too much", what, got[i])
		case got[i] != want[i]:
			t.Fatalf("%s:\n got %s\nwant %s", what, got[i], want[i])
		}
	}
}

// whole drops what an export has beside the workspace's records.
func whole(lines []transfer.ExportRecord) []string {
	return slices.DeleteFunc(comparable(lines), func(l string) bool { return strings.Contains(l, "Scan:true") })
}

// Whatever happened in a workspace: exported from one store and imported into
// another, single Redis or Cluster, and from there into a third, everything that a
// client can read, and everything that comes of using it, is the same; and so is an
// export of it.
func TestTransferredIsTheSame(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		r := redistest.Rand(t)
		for range 2 {
			roundTrip(t, c, r.Uint64())
			if t.Failed() {
				return
			}
		}
	})
}

func roundTrip(t *testing.T, c redis.UniversalClient, seed uint64) {
	first, third := redistest.Shared(t).Client(), redistest.Shared(t).Client()
	sealer := keystest.Sealer(t)
	other := begin(t, first, sealer, "somebody else's", seed+1)
	other.live(40)
	l := begin(t, first, sealer, fmt.Sprint("w", seed), seed)
	l.live(400)
	for _, must := range []string{"create", "delete", "reroll", "verify", "limit", "redeem", "migrate", "override", "drop an identity"} {
		if l.done[must] == 0 {
			t.Logf("seed %d: nothing came of %q", seed, must)
		}
	}
	l.world().SweepUp() // what is left of deleted APIs keeps its hashes until then
	want := look(l, l.store)
	from := l.world()
	lines := from.Export()
	for _, secret := range append(l.tokens, l.secrets...) {
		for _, line := range lines {
			if strings.Contains(string(line.Stored), secret.Reveal()) {
				t.Fatal("a secret was exported")
			}
		}
	}
	stores := []*store.Store{l.store}
	for _, client := range []redis.UniversalClient{c, third} {
		to := &world{l.world().OnStore(store.Open(client, store.Options{Timeout: 5 * time.Second, Sealer: sealer}))}
		if total := to.ImportAll(lines); total.Different != 0 || total.Same != 0 {
			t.Fatalf("seed %d: %+v, such as %s", seed, total, to.left(lines))
		}
		if again := to.ImportAll(lines); again.Stored != 0 || again.Different != 0 {
			t.Fatalf("seed %d, a second time: %+v", seed, again)
		}
		sameLines(t, fmt.Sprint("seed ", seed, ", seen"), look(l, to.Store), want)
		next := to.Export()
		sameLines(t, fmt.Sprint("seed ", seed, ", exported"), whole(next), whole(lines))
		stores, lines = append(stores, to.Store), next
	}
	came := spend(l, stores[0])
	for _, store := range stores[1:] {
		sameLines(t, fmt.Sprint("seed ", seed, ", spent"), spend(l, store), came)
	}
}

// verdict is what a verify.LimitVerdict says of a use, without when that was decided and without the
// namespace, which is made anew where nobody had limited in it.
type verdict struct {
	namespaceID, overrideID           string
	limit, duration, remaining, reset int64
	passed                            bool
}

func decided(verdicts []verify.LimitVerdict) (all []verdict) {
	for _, v := range verdicts {
		all = append(all, verdict{"", v.OverrideID, v.Limit, v.Duration, v.Remaining, v.Reset, v.Passed})
	}
	return all
}

// balance is what an outcome says is left; -1 for unlimited.
func balance(o *verify.Outcome) int64 {
	if o.Remaining == nil {
		return -1
	}
	return *o.Remaining
}
