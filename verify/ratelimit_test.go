package verify_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

const day = 24 * 3600_000

func use(namespace, identifier string, limit, cost int64) verify.LimitCheck {
	return verify.LimitCheck{Namespace: namespace, Identifier: identifier, Limit: limit, Duration: day, Cost: verify.Costs(cost)}
}

// limit asks one gateway, and wants an answer.
func (w *world) limit(g keystest.Gateway, checks ...verify.LimitCheck) ([]verify.LimitVerdict, bool) {
	w.TB.Helper()
	all, passed, err := g.Limit(w.TB.Context(), w.Access, checks)
	w.Must(err)
	return all, passed
}

func (w *world) override(namespace, identifier string, limit int64) string {
	w.TB.Helper()
	id, err := w.SetOverride(w.TB.Context(), w.Access, keys.NamespaceRef{Name: namespace, Create: true},
		keys.Override{Identifier: identifier, Limit: limit, Duration: day})
	w.Must(err)
	return id
}

// counters lists the counters in the store with what they hold.
func (w *world) counters() map[string]string {
	w.TB.Helper()
	all := map[string]string{}
	var mu sync.Mutex
	scan := func(ctx context.Context, c *redis.Client) error {
		names, err := c.Keys(ctx, "tg:c:*").Result()
		for _, name := range names {
			value, _ := c.Get(ctx, name).Result()
			mu.Lock()
			all[name] = value
			mu.Unlock()
		}
		return err
	}
	if cluster, ok := w.Redis().(*redis.ClusterClient); ok {
		w.Must(cluster.ForEachMaster(w.TB.Context(), scan))
	} else {
		w.Must(scan(w.TB.Context(), w.Redis().(*redis.Client)))
	}
	return all
}

// A limit of N lets exactly N of any number of concurrent callers through, on any
// number of gateways, alone and together with others, however they are ordered.
func TestLimitIsExactUnderConcurrency(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		gateways := []keystest.Gateway{w.Gateway, keystest.NewGateway(c), keystest.NewGateway(c)}
		for round := range 4 {
			one, two := fmt.Sprintf("one-%d", round), fmt.Sprintf("two-%d", round)
			var passed, unknown atomic.Int64
			var all sync.WaitGroup
			for i := range 60 {
				checks := []verify.LimitCheck{use("n", one, 20, 1)}
				if round > 1 {
					checks = append(checks, use("m", two, 12, 1))
				}
				if round > 2 && i%2 == 0 {
					slices.Reverse(checks)
				}
				all.Go(func() {
					_, ok, err := gateways[i%3].Limit(context.Background(), w.Access, checks)
					switch {
					case keys.AsError(err) != nil && keys.AsError(err).Kind == keys.KindUnavailable: // on a busy machine
						unknown.Add(1)
					case err != nil:
						t.Error(err)
					case ok:
						passed.Add(1)
					}
				})
			}
			all.Wait()
			want := int64(20)
			if round > 1 {
				want = 12
			}
			got, least := passed.Load(), want-unknown.Load()
			if w.Cluster() && round > 1 {
				least = 0 // those under way may hold what they give back: too few may pass, never too many
			}
			if got > want || got < least {
				t.Fatalf("round %d: %d passed, want %d; %d unknown", round, got, want, unknown.Load())
			}
			left, _ := w.limit(w.Gateway, use("n", one, 20, 0))
			if taken := 20 - left[0].Remaining; taken < got || taken > got+unknown.Load() {
				t.Fatalf("round %d: %d are taken, %d passed, %d unknown", round, taken, got, unknown.Load())
			}
		}
	})
}

// An exact override goes before patterns, patterns in Pick's order; what is set,
// changed or deleted through one gateway is obeyed by the next use on another that
// has the namespace in memory. Changing the limit alone goes on with the count.
func TestOverridesBiteAtOnce(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w, other := newWorld(t, c), keystest.NewGateway(c)
		expect := func(step, identifier string, limit, remaining int64, override string, pass bool) {
			t.Helper()
			all, passed := w.limit(other, use("n", identifier, 100, 1))
			want := verify.LimitVerdict{NamespaceID: all[0].NamespaceID, OverrideID: override, Limit: limit, Duration: day,
				Remaining: remaining, Reset: all[0].Reset, Now: all[0].Now, Passed: pass}
			if all[0] != want || passed != pass {
				t.Fatalf("%s: got %+v, %v, want %+v", step, all[0], passed, want)
			}
		}
		expect("none", "user_1", 100, 99, "", true)
		star := w.override("n", "user_*", 50)
		expect("pattern", "user_1", 50, 48, star, true)
		middle := w.override("n", "u*er_1", 40)
		expect("as many letters, and first by text", "user_1", 40, 37, middle, true)
		exact := w.override("n", "user_1", 30)
		expect("exact", "user_1", 30, 26, exact, true)
		expect("pattern for others", "user_22", 50, 49, star, true)
		expect("nobody's", "guest", 100, 99, "", true)
		if again := w.override("n", "user_1", 0); again != exact {
			t.Fatalf("the override's id changed from %s to %s", exact, again)
		}
		expect("blocked", "user_1", 0, 0, exact, false)
		if all, passed := w.limit(other, use("n", "user_1", 100, 0)); passed || all[0].Passed {
			t.Fatal("a look at a limit of 0 passed")
		}
		w.override("n", "user_1", 6)
		expect("lowered", "user_1", 6, 1, exact, true)
		w.Must(w.DeleteOverride(t.Context(), w.Access, keys.NamespaceRef{Name: "n"}, "user_1"))
		expect("deleted", "user_1", 40, 34, middle, true)
		for i := range 20 {
			id := w.override("n", "user_1", int64(1000+i))
			expect("changed", "user_1", int64(1000+i), int64(1000+i)-7-int64(i), id, true)
		}
		n, err := w.Namespace(t.Context(), w.Access, keys.NamespaceRef{Name: "n"})
		w.Must(err)
		if all, _ := w.limit(other, use(n.ID, "user_1", 1, 0)); all[0].NamespaceID != n.ID || all[0].Limit != 1019 {
			t.Fatalf("by the namespace's id: %+v", all)
		}
		w.Must(w.DeleteNamespace(t.Context(), w.Access, keys.NamespaceRef{ID: n.ID}))
		if _, _, err := other.Limit(t.Context(), w.Access, []verify.LimitCheck{use("n", "user_1", 1, 1)}); keys.AsError(err).Kind != keys.KindGone {
			t.Fatalf("a namespace that was deleted: %v", err)
		}
	})
}

// Many uses are taken all or none, also where two are of one identifier, and what
// is answered is what is left then.
func TestManyLimitsAllOrNothing(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		w.limit(w.Gateway, use("n", "full", 3, 3))
		var checks []verify.LimitCheck
		for i := range 30 {
			checks = append(checks, use(fmt.Sprintf("n%d", i%5), fmt.Sprintf("id%d", i), 10, 2))
		}
		all, passed := w.limit(w.Gateway, append(checks, use("n", "full", 3, 1))...)
		if passed || all[30].Passed || all[30].Remaining != 0 {
			t.Fatalf("one was full: %v, %+v", passed, all[30])
		}
		for i, v := range all[:30] {
			if !v.Passed || v.Remaining != 10 {
				t.Fatalf("%d was charged, or refused, with another's refusal: %+v", i, v)
			}
		}
		all, passed = w.limit(w.Gateway, checks...)
		for i, v := range all {
			if !passed || !v.Passed || v.Remaining != 8 {
				t.Fatalf("%d: %+v, %v", i, v, passed)
			}
		}
		twice := []verify.LimitCheck{use("n", "twice", 5, 3), use("n", "twice", 5, 3)}
		if all, passed = w.limit(w.Gateway, twice...); passed || !all[0].Passed || all[1].Passed || all[0].Remaining != 5 || all[1].Remaining != 5 {
			t.Fatalf("6 of 5: %+v, %v", all, passed)
		}
		twice[1].Cost = 2
		if all, passed = w.limit(w.Gateway, twice...); !passed || all[0].Remaining != 0 || all[1].Remaining != 0 {
			t.Fatalf("5 of 5: %+v, %v", all, passed)
		}
	})
}

// What is refused for any reason, and a look, leaves every counter as it was; what
// has no meaning is an error that names the field.
func TestRefusedLimitsWriteNothing(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		w.limit(w.Gateway, use("n", "a", 2, 2), use("n", "b", 9, 1))
		w.override("n", "blocked", 0)
		before := w.counters()
		for _, checks := range [][]verify.LimitCheck{
			{use("n", "a", 2, 1)}, {use("n", "new", 2, 3)}, {use("n", "blocked", 2, 1)}, {use("n", "a", 2, 0)}, {use("n", "new", 2, 0)},
			{use("n", "a", 2, 1), use("n", "a", 2, 0)},
		} {
			w.limit(w.Gateway, checks...)
			if after := w.counters(); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Fatalf("%+v wrote %q, before %q", checks, after, before)
			}
		}
		long := strings.Repeat("ü", keys.MaxIdentifier)
		w.limit(w.Gateway, use("n", long, 1, 1))
		bad := func(field string, edit func(*verify.LimitCheck)) {
			t.Helper()
			c := use("n", "a", 2, 1)
			edit(&c)
			_, _, err := w.Limit(t.Context(), w.Access, []verify.LimitCheck{c})
			if e := keys.AsError(err); e == nil || e.Kind != keys.KindInvalid || e.Field != field {
				t.Errorf("%s: %v", field, err)
			}
		}
		bad("namespace", func(c *verify.LimitCheck) { c.Namespace = "" })
		bad("namespace", func(c *verify.LimitCheck) { c.Namespace = long + "x" })
		bad("identifier", func(c *verify.LimitCheck) { c.Identifier = "" })
		bad("identifier", func(c *verify.LimitCheck) { c.Identifier = long + "x" })
		bad("limit", func(c *verify.LimitCheck) { c.Limit = 0 })
		bad("limit", func(c *verify.LimitCheck) { c.Limit = keys.MaxCount + 1 })
		bad("duration", func(c *verify.LimitCheck) { c.Duration = 999 })
		bad("cost", func(c *verify.LimitCheck) { c.Cost = -2 })
		if _, _, err := w.Limit(t.Context(), w.Access, nil); keys.AsError(err).Kind != keys.KindInvalid {
			t.Errorf("none: %v", err)
		}
	})
}

// However names look, each counts for itself, and nothing else in the store changes.
func TestLimitNamesNeverMeet(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		key := w.Create(keys.KeyDraft{Remaining: keystest.Uses(5)})
		odd := []string{":", "{}", "{a}", "}{", "*", "a:b", "a", "b", "1000:a", "👍", "\n", "\x00", " ", "tg:c:{00}x:1000:a", "tg:w", "a:86400000:b",
			"\u202eabc", "%", "'", "\\", "user_*", strings.Repeat("x", 500)}
		r := rand.New(rand.NewPCG(1, 2))
		for range 40 {
			odd = append(odd, fmt.Sprintf("%c%c%c", odd[r.IntN(10)][0], rune(r.IntN(0xd7ff)+1), ":{}*ab"[r.IntN(6)]))
		}
		slices.Sort(odd)
		odd = slices.Compact(odd)
		for i, namespace := range odd {
			if i%6 == 0 {
				for _, identifier := range odd {
					if _, passed := w.limit(w.Gateway, use(namespace, identifier, 1, 1)); !passed {
						t.Fatalf("%q in %q was counted before", identifier, namespace)
					}
				}
			}
		}
		if _, passed := w.limit(w.Gateway, use(odd[0], odd[0], 1, 1)); passed {
			t.Fatal("nothing was counted")
		}
		short := use(odd[0], odd[0], 1, 1)
		short.Duration = 3600_000
		if _, passed := w.limit(w.Gateway, short); !passed {
			t.Fatal("another duration counts for itself")
		}
		if left := w.Left(key.ID); left.Balance != 5 {
			t.Fatalf("a key lost something: %+v", left)
		}
	})
}

// Rights are needed over the namespace, and to make one; who lacks them changes
// nothing. Namespaces of two workspaces with one name never meet.
func TestLimitRights(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		n, _ := w.limit(w.Gateway, use("mine", "a", 5, 1))
		by := func(grants ...string) keys.Access {
			slices.Sort(grants)
			return (&keys.Caller{WorkspaceID: w.Access.WorkspaceID, Grants: grants}).As(keys.UseRatelimit)
		}
		expect := func(a keys.Access, namespace string, want keys.Kind) {
			t.Helper()
			_, _, err := w.Limit(t.Context(), a, []verify.LimitCheck{use("mine", "a", 5, 0), use(namespace, "a", 5, 1)})
			if e := keys.AsError(err); (e == nil) != (want == 0) || e != nil && e.Kind != want {
				t.Errorf("%v in %s: %v, want kind %s", a.Grants, namespace, err, want)
			}
		}
		expect(by(), "mine", keys.KindMissingPermission)
		expect(by("ratelimit.*.create_namespace"), "mine", keys.KindMissingPermission)
		expect(by("ratelimit."+n[0].NamespaceID+".limit"), "mine", 0)
		expect(by("ratelimit.*.limit"), "new", keys.KindNotFound)
		expect(by("ratelimit."+n[0].NamespaceID+".limit", "ratelimit.*.create_namespace"), "new", keys.KindMissingPermission)
		expect(by("ratelimit.*.create_namespace", "ratelimit.*.limit"), "new", 0)
		expect(by("ratelimit."+n[0].NamespaceID+".limit"), "new", keys.KindMissingPermission)
		expect(by("*"), "rlns_unknown", keys.KindNotFound)
		theirs, err := w.Workspace(t.Context(), "theirs")
		w.Must(err)
		there := keys.Operator(theirs).As(keys.UseRatelimit)
		all, _, err := w.Limit(t.Context(), there, []verify.LimitCheck{use("mine", "a", 5, 1)})
		w.Must(err)
		if all[0].NamespaceID == n[0].NamespaceID || all[0].Remaining != 4 {
			t.Errorf("two workspaces share %+v", all[0])
		}
		if _, _, err := w.Limit(t.Context(), there, []verify.LimitCheck{use(n[0].NamespaceID, "a", 5, 1)}); keys.AsError(err).Kind != keys.KindNotFound {
			t.Errorf("by another workspace's id: %v", err)
		}
	})
}

// Of many that set overrides at once none is lost, and lists give each once.
func TestOverridesAllKept(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		gateways := []keystest.Gateway{w.Gateway, keystest.NewGateway(c)}
		var all sync.WaitGroup
		for i := range 24 {
			all.Go(func() {
				_, err := gateways[i%2].SetOverride(context.Background(), w.Access, keys.NamespaceRef{Name: "n", Create: true},
					keys.Override{Identifier: fmt.Sprintf("user_%d", i), Limit: int64(i), Duration: 1000})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		seen, at := map[string]bool{}, catalog.OverrideCursor{}
		for {
			page, err := w.ListOverrides(t.Context(), w.Access, keys.NamespaceRef{Name: "n"}, at, 7)
			w.Must(err)
			if page.Total != 24 {
				t.Fatalf("total %d", page.Total)
			}
			for _, o := range page.Overrides {
				seen[o.Identifier] = true
			}
			if page.Next == "" {
				break
			}
			if at.From = page.Next; len(seen) > 14 { // the other way to go on
				at = catalog.OverrideCursor{After: page.Overrides[len(page.Overrides)-1].ID}
			}
		}
		if len(seen) != 24 {
			t.Fatalf("%d of 24 are listed", len(seen))
		}
	})
}

// A warm use of several limits is one exchange with Redis.
func TestWarmLimitIsOneRoundTrip(t *testing.T) {
	server := redistest.Start(t)
	client, err := redisdb.Dial("redis://"+server.Addr(), redisdb.Options{PoolSize: 1, NoDurableWrites: true})
	if err != nil {
		t.Fatal(err)
	}
	trips := redistest.CountTrips(client)
	w := newWorld(t, client)
	checks := []verify.LimitCheck{use("a", "x", 1000, 1), use("b", "y", 1000, 1)}
	w.override("a", "*", 500)
	w.limit(w.Gateway, checks...)
	trips.Take()
	for range 10 {
		w.limit(w.Gateway, checks...)
	}
	if n := trips.Take(); n != 10 {
		t.Fatalf("10 requests took %d exchanges", n)
	}
	start := time.Now()
	server.Freeze()
	defer server.Thaw()
	_, _, err = w.Limit(t.Context(), w.Access, checks)
	if took := time.Since(start); keys.AsError(err).Kind != keys.KindUnavailable || took > 300*time.Millisecond {
		t.Fatalf("a frozen store: %v after %v", err, took)
	}
}
