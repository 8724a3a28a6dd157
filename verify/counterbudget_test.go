package verify_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/ratelimit"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// frugal is a gateway whose workspaces may have so many counters.
func frugal(c redis.UniversalClient, most int64) keystest.Gateway {
	store := store.Open(c, store.Options{Timeout: 10 * time.Second})
	return keystest.Gateway{Store: store, Verifier: verify.New(store, verify.Options{Timeout: 10 * time.Second, MaxCounters: most})}
}

// checks asks for uses of identifiers in a namespace.
func checks(duration int64, identifiers ...string) (all []verify.LimitCheck) {
	for _, identifier := range identifiers {
		all = append(all, verify.LimitCheck{Namespace: "n", Identifier: identifier, Limit: 5, Duration: duration, Cost: 1})
	}
	return all
}

// identifiers returns some in that namespace whose counters are in a shard, which on a
// Cluster has a share of the workspace's.
func (w *world) identifiers(shard string, n int) []string {
	w.TB.Helper()
	peek := verify.LimitCheck{Namespace: "n", Identifier: "user", Limit: 5, Duration: day, Cost: verify.Free}
	all, _ := w.limit(w.Gateway, peek) // makes the namespace
	return keystest.Identifiers(shard, all[0].NamespaceID, n)
}

// A workspace has as many counters that requests made as it may have, on a Cluster in each
// shard: in namespaces and of keys together. Whoever needs more is refused, and nothing is spent; what is there goes
// on, stored limits as well, and other workspaces.
func TestCountersOfAWorkspaceAreBounded(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		w := newWorld(t, c)
		w.Gateway = frugal(c, 128)
		clock.SetClock(time.UnixMilli(day * (clock.Now().UnixMilli()/day + 1)))
		made := w.Create(keys.KeyDraft{Remaining: keystest.Uses(10), ExternalID: "user_1", Limits: []ratelimit.Limit{limit("stored", 100)}})
		_, err := w.UpdateIdentity(t.Context(), w.Access, keys.IdentityRef{ExternalID: "user_1"}, keys.IdentityPatch{Limits: keys.To([]ratelimit.Limit{limit("shared", 100)})})
		w.Must(err)
		users := w.identifiers(layout.PlaceOf(made.Secret.Digest()).Shard(), 79)
		ask := func(limits []verify.LimitRequest) (*verify.Outcome, error) {
			return w.Verify(t.Context(), &verify.Request{Secret: made.Secret, Cost: 1, Limits: limits})
		}
		for half := range slices.Chunk(users[:78], 39) {
			if _, passed := w.limit(w.Gateway, checks(3600_000, half...)...); !passed {
				t.Fatal("refused")
			}
		}
		if o, err := ask(own(0, 50, day)); err != nil || o.Code != verify.Valid {
			t.Fatalf("%+v, %v", o, err)
		}
		before := w.counters() // of the identity one more
		if len(before) != 129 {
			t.Fatalf("%d counters", len(before))
		}
		if _, err := ask(own(49, 51, day)); kindOf(err) != keys.KindRateLimited {
			t.Errorf("one more of a key: %v", err)
		}
		if _, _, err := w.Limit(t.Context(), w.Access, checks(3600_000, users[77:]...)); kindOf(err) != keys.KindRateLimited {
			t.Errorf("one more of a namespace: %v", err)
		}
		if left := w.Left(made.ID).Balance; left != 9 || len(w.counters()) != 129 {
			t.Errorf("the refused requests left %d uses and %d counters, want 9 and 129", left, len(w.counters()))
		}
		if all, passed := w.limit(w.Gateway, checks(3600_000, users[77])...); !passed || all[0].Remaining != 3 {
			t.Errorf("an identifier that is counted: %+v", all)
		}
		if o, err := ask(own(0, 10, day)); err != nil || o.Code != verify.Valid {
			t.Errorf("counters that are there: %+v, %v", o, err)
		}
		fresh := w.Create(keys.KeyDraft{ExternalID: "user_2", Limits: []ratelimit.Limit{limit("stored", 100)}})
		if o := w.Check(verify.Request{Secret: fresh.Secret, Cost: verify.Free}); o.Code != verify.Valid {
			t.Errorf("a stored limit: %+v", o)
		}
		other, err := w.Workspace(t.Context(), "other")
		w.Must(err)
		if _, passed, err := w.Limit(t.Context(), keys.Operator(other).As(), checks(3600_000, "user")); !passed || err != nil {
			t.Errorf("another workspace: %v", err)
		}
		clock.Advance(3 * time.Hour) // those of namespaces have ended, an eighth to a quarter of their life ago at least
		if o, err := ask(own(50, 100, day)); err != nil || o.Code != verify.Valid {
			t.Errorf("in the room of those that ended: %+v, %v", o, err)
		}
		records := redistest.Names(t, c, "tg:cb:*")
		for _, name := range records {
			if life := c.PTTL(t.Context(), name).Val(); life <= 0 || life > 60*24*time.Hour {
				t.Errorf("%s lives for %v", name, life)
			}
		}
		if len(records) != 1 { // the other workspace's ended with its counter
			t.Errorf("records: %v", records)
		}
	})
}

// A counter whose window is a minute or longer counts for as long as use keeps it.
func TestCountersKeptByUseStayCounted(t *testing.T) {
	for _, duration := range []int64{60_000, 3600_000, 30 * day} {
		redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
			w := newWorld(t, c)
			w.Gateway = frugal(c, 128)
			clock.SetClock(time.UnixMilli(duration * (clock.Now().UnixMilli()/duration + 1)))
			users := w.identifiers(layout.ShardOf("any"), 228)
			for range 5 {
				for half := range slices.Chunk(users[:128], 64) {
					if _, _, err := w.Limit(t.Context(), w.Access, checks(duration, half...)); err != nil {
						t.Fatal(err)
					}
				}
				if _, _, err := w.Limit(t.Context(), w.Access, checks(duration, users[128])); kindOf(err) != keys.KindRateLimited {
					t.Fatalf("one more: %v", err)
				}
				clock.Advance(time.Duration(duration) * time.Millisecond)
			}
			clock.Advance(time.Duration(duration) * 3 / 2 * time.Millisecond)
			if _, passed := w.limit(w.Gateway, checks(duration, users[128:]...)...); !passed {
				t.Error("when all have ended")
			}
		})
	}
}

// On a Cluster each shard has a share, and what was taken in other slots is given back
// where one refuses.
func TestCountersOfAWorkspaceOnACluster(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		w.Gateway = frugal(c, 1) // a shard has 128 all the same
		if !w.Cluster() {
			t.Skip("one Redis has one share")
		}
		users, elsewhere := w.identifiers("00", 129), w.identifiers("01", 1)
		w.limit(w.Gateway, checks(day, users[:64]...)...)
		w.limit(w.Gateway, checks(day, users[64:128]...)...)
		w.limit(w.Gateway, checks(day, elsewhere...)...)
		both := checks(day, elsewhere[0], users[128])
		for range 10 {
			if _, _, err := w.Limit(t.Context(), w.Access, both); kindOf(err) != keys.KindRateLimited {
				t.Fatalf("one more in a full shard: %v", err)
			}
		}
		if all, passed := w.limit(w.Gateway, both[0]); !passed || all[0].Remaining != 3 {
			t.Errorf("of the other slot was taken: %+v", all)
		}
	})
}

// What a record counts is never less than the counters that are there, and more only by
// those that ended less than a quarter of their life ago. Counters of windows under a
// minute are used once here, because their use later is not counted.
func TestBudgetAgainstModel(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		r := redistest.Rand(t)
		w := newWorld(t, c)
		w.limit(w.Gateway, checks(30*day, "user:0")...)
		space := w.namespaceID("n")
		counts := map[string]int64{"the first": clock.Now().UnixMilli() + 75*day} // until when a counter counts at most
		for step := range 150 {
			duration := []int64{1000, 7_777, 59_999, 60_000, 90_001, 3600_000, day, 30 * day}[r.IntN(8)]
			who := r.IntN(40)
			if duration < 60_000 {
				who = 1000 + step
			}
			w.limit(w.Gateway, verify.LimitCheck{Namespace: "n", Identifier: fmt.Sprint(who), Limit: 1_000_000, Duration: duration, Cost: 1})
			now := clock.Now().UnixMilli()
			name := layout.Counter(layout.ShardOf(space+":"+fmt.Sprint(who)), space, fmt.Sprint(who), duration)
			counts[name] = now + c.PTTL(t.Context(), name).Val().Milliseconds() + duration/2
			there, counted, most := int64(len(redistest.Names(t, c, "tg:c:*"))), w.budgeted(now), int64(0)
			for _, end := range counts {
				if end >= now-1000 {
					most++
				}
			}
			if counted < there-1 || counted > most+1 { // at the very end of one
				t.Fatalf("step %d: %d are counted, %d are there, %d at most", step, counted, there, most)
			}
			clock.Advance(time.Duration(r.Int64N(duration)/8) * time.Millisecond)
		}
	})
}

func (w *world) namespaceID(name string) string {
	w.TB.Helper()
	n, err := w.Namespace(w.TB.Context(), w.Access, keys.NamespaceRef{Name: name})
	w.Must(err)
	return n.ID
}

// budgeted reads how many counters the record of the workspace counts.
func (w *world) budgeted(now int64) (sum int64) {
	w.TB.Helper()
	for _, name := range redistest.Names(w.TB, w.Redis(), "tg:cb:*") {
		text := w.Redis().Get(w.TB.Context(), name).Val()
		for ; len(text) >= 15; text = text[15:] {
			if unit := int64(1) << text[0]; (layout.U56(text[1:8])+1)*unit > now {
				sum += layout.U56(text[8:15])
			}
		}
	}
	return sum
}
