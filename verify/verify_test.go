package verify_test

import (
	"context"
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
	"tollgate/keys/store"
	"tollgate/ratelimit"
	"tollgate/refill"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// impatientGateway is a gateway whose verifier waits no longer than that.
func impatientGateway(c redis.UniversalClient, timeout time.Duration) keystest.Gateway {
	store := store.Open(c, store.Options{Timeout: keystest.Timeout})
	return keystest.Gateway{Store: store, Verifier: verify.New(store, verify.Options{Timeout: timeout})}
}

// world is a workspace with an API, with the words of these tests.
type world struct{ *keystest.World }

func newWorld(t *testing.T, c redis.UniversalClient) *world {
	t.Helper()
	return &world{keystest.New(t, c, "test")}
}

func limit(name string, n int64) ratelimit.Limit {
	return ratelimit.Limit{Name: name, Limit: n, Duration: 24 * 3600_000, AutoApply: true}
}

// The first check that fails decides, and a refusal spends nothing.
func TestOrderOfChecks(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		past := time.Now().Add(-time.Hour).UnixMilli()
		// Each draft breaks everything from its row on.
		for _, row := range []struct {
			want verify.Code
			d    keys.KeyDraft
			api  string
		}{
			{verify.Disabled, keys.KeyDraft{Disabled: true, Expires: past, Remaining: keystest.Uses(0), Limits: []ratelimit.Limit{limit("l", 1)}}, "api_other"},
			{verify.Forbidden, keys.KeyDraft{Expires: past, Remaining: keystest.Uses(0), Limits: []ratelimit.Limit{limit("l", 1)}}, "api_other"},
			{verify.Expired, keys.KeyDraft{Expires: past, Remaining: keystest.Uses(0), Limits: []ratelimit.Limit{limit("l", 1)}}, ""},
			{verify.InsufficientPermissions, keys.KeyDraft{Remaining: keystest.Uses(0), Limits: []ratelimit.Limit{limit("l", 1)}}, ""},
			{verify.RateLimited, keys.KeyDraft{Permissions: keys.Named([]string{"p"}, catalog.CreateFreely), Remaining: keystest.Uses(0), Limits: []ratelimit.Limit{limit("l", 1)}}, ""},
			{verify.UsageExceeded, keys.KeyDraft{Permissions: keys.Named([]string{"p"}, catalog.CreateFreely), Remaining: keystest.Uses(1), Limits: []ratelimit.Limit{limit("l", 5)}}, ""},
			{verify.Valid, keys.KeyDraft{Permissions: keys.Named([]string{"p"}, catalog.CreateFreely), Remaining: keystest.Uses(2), Limits: []ratelimit.Limit{limit("l", 5)}}, ""},
		} {
			made := w.Create(row.d)
			r := verify.Request{Secret: made.Secret, APIID: row.api, Permissions: verify.Permission("p"), Cost: 2,
				Limits: []verify.LimitRequest{{Name: "l", Cost: 2}}}
			o := w.Check(r)
			if o.Code != row.want {
				t.Errorf("got %s, want %s", o.Code, row.want)
			}
			left := w.Left(made.ID)
			wantUsed, wantBalance := int64(0), *row.d.Remaining
			if row.want == verify.Valid {
				wantUsed, wantBalance = 2, 0
			}
			if left.Balance != wantBalance || left.Windows[0].Current != wantUsed || *o.Remaining != wantBalance {
				t.Errorf("%s: left %+v and answered %d, want balance %d and %d counted", row.want, left, *o.Remaining, wantBalance, wantUsed)
			}
		}
		if o := w.Check(verify.Request{Secret: keys.NewSecret("nobody's"), Cost: 1}); o.Code != verify.NotFound || o.Key != nil {
			t.Errorf("unknown key: %+v", o)
		}
	})
}

// A limit of N and a balance of B let exactly N and B of any number of concurrent
// callers through, on any number of gateways, and no sibling is charged for a
// refusal.
func TestExactUnderConcurrency(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		gateways := []keystest.Gateway{w.Gateway, keystest.NewGateway(c), keystest.NewGateway(c)}
		for round := range 5 {
			for _, row := range []struct {
				d    keys.KeyDraft
				want int64
			}{
				{keys.KeyDraft{Limits: []ratelimit.Limit{limit("one", 40)}}, 40},
				{keys.KeyDraft{Remaining: keystest.Uses(40)}, 40},
				{keys.KeyDraft{Limits: []ratelimit.Limit{limit("one", 40), limit("two", 20)}}, 20},
				{keys.KeyDraft{Remaining: keystest.Uses(15), Limits: []ratelimit.Limit{limit("one", 40), limit("two", 20)}}, 15},
			} {
				made := w.Create(row.d)
				if got := storm(t, gateways, verify.Request{Secret: made.Secret, Cost: 1}, 120); got != row.want {
					t.Fatalf("round %d: %d of 120 passed, want %d", round, got, row.want)
				}
				left := w.Left(made.ID)
				for i, window := range left.Windows {
					if window.Current != row.want {
						t.Fatalf("limit %d counted %d, want %d", i, window.Current, row.want)
					}
				}
				if row.d.Remaining != nil && left.Balance != *row.d.Remaining-row.want {
					t.Fatalf("balance %d", left.Balance)
				}
			}
		}
	})
}

// storm sends n verifications at once, round robin, and counts the valid ones.
func storm(t *testing.T, gateways []keystest.Gateway, r verify.Request, n int) int64 {
	t.Helper()
	var valid atomic.Int64
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			o, err := gateways[i%len(gateways)].Verify(context.Background(), &r)
			switch {
			case err != nil:
				t.Error(err)
			case o.Code == verify.Valid:
				valid.Add(1)
			}
		})
	}
	all.Wait()
	return valid.Load()
}

// Whatever is changed through one gateway is obeyed by the next verification on
// another that has the key in memory.
func TestChangesBiteAtOnce(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w, other := newWorld(t, c), keystest.NewGateway(c)
		made := w.Create(keys.KeyDraft{Remaining: keystest.Uses(1000)})
		r := verify.Request{Secret: made.Secret, Cost: 1}
		expect := func(step string, want verify.Code) {
			t.Helper()
			for range 2 {
				if o, err := other.Verify(t.Context(), &r); err != nil || o.Code != want {
					t.Fatalf("%s: %+v, %v, want %s", step, o, err, want)
				}
			}
		}
		update := func(p keys.KeyPatch) { t.Helper(); w.Must(w.UpdateKey(t.Context(), w.Access, made.ID, p)) }
		expect("created", verify.Valid)
		for range 20 {
			update(keys.KeyPatch{Disabled: keys.To(true)})
			expect("disabled", verify.Disabled)
			update(keys.KeyPatch{Disabled: keys.To(false)})
			expect("enabled", verify.Valid)
		}
		update(keys.KeyPatch{Expires: keys.To(time.Now().Add(-time.Second).UnixMilli())})
		expect("expired", verify.Expired)
		update(keys.KeyPatch{Expires: keys.Cleared[int64](), Remaining: keys.To(int64(0))})
		expect("used up", verify.UsageExceeded)
		update(keys.KeyPatch{Remaining: keys.Cleared[int64]()})
		expect("unlimited", verify.Valid)
		w.Must(w.DeleteKey(t.Context(), w.Access, made.ID, false))
		expect("deleted", verify.NotFound)
	})
}

// A refill that is due happens exactly once, whoever comes first, on the store's
// clock, and in every boundary's turn.
func TestRefillHappensOnce(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		clock.SetClock(time.Date(2028, 2, 28, 23, 59, 0, 0, time.UTC))
		w := newWorld(t, c)
		gateways := []keystest.Gateway{w.Gateway, keystest.NewGateway(c)}
		made := w.Create(keys.KeyDraft{Remaining: keystest.Uses(7), Refill: &refill.Schedule{Amount: 10}})
		r := verify.Request{Secret: made.Secret, Cost: 1}
		if got := storm(t, gateways, r, 30); got != 7 {
			t.Fatalf("before the boundary %d passed, want 7", got)
		}
		clock.SetClock(time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC))
		if left := w.Left(made.ID); left.Balance != 10 {
			t.Fatalf("a read at the boundary shows %d, want 10", left.Balance)
		}
		for day := range 3 {
			if got := storm(t, gateways, r, 30); got != 10 {
				t.Fatalf("day %d: %d passed, want 10", day, got)
			}
			clock.Advance(24 * time.Hour)
		}
		clock.Advance(240 * time.Hour)
		if got := storm(t, gateways, r, 30); got != 10 {
			t.Fatalf("after ten missed boundaries %d passed, want 10", got)
		}
	})
}

// Where replies are lost no request spends twice, and those whose outcome is
// unknown say so.
func TestAtMostOnce(t *testing.T) {
	server := redistest.Start(t)
	link := redistest.Proxy(t, server.Addr())
	client, err := redisdb.Dial("redis://"+link.Addr(), redisdb.Options{NoDurableWrites: true})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, client)
	w.Gateway = impatientGateway(client, 0)
	made := w.Create(keys.KeyDraft{Remaining: keystest.Uses(100000)})
	r := verify.Request{Secret: made.Secret, Cost: 1}
	w.Check(r)
	sent, answered := int64(1), int64(1)
	for round := range 6 {
		if round%2 == 0 {
			link.LoseReplies()
		} else {
			link.CutReplies()
		}
		var unknown atomic.Int64
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				start := time.Now()
				o, err := w.Verify(context.Background(), &r)
				if took := time.Since(start); took > 300*time.Millisecond {
					t.Errorf("the answer took %v", took)
				}
				if err != nil && keys.AsError(err).Kind == keys.KindUnavailable {
					unknown.Add(1)
				} else {
					t.Errorf("an answer without a reply: %+v, %v", o, err)
				}
			})
		}
		all.Wait()
		sent += unknown.Load()
		link.Restore()
		for deadline := time.Now().Add(3 * time.Second); ; {
			sent++
			if _, err := w.Verify(t.Context(), &r); err == nil {
				answered++
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("it does not heal")
			}
		}
	}
	spent := 100000 - w.Left(made.ID).Balance
	if spent > sent || spent < answered {
		t.Fatalf("%d requests, %d of them answered, spent %d", sent, answered, spent)
	}
}

// What upstream left open: the cases of the design's table of semantics.
func TestSemantics(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		made := w.Create(keys.KeyDraft{Remaining: keystest.Uses(3), Limits: []ratelimit.Limit{limit("l", 2)}})
		r := verify.Request{Secret: made.Secret, Cost: 10}
		if o := w.Check(r); o.Code != verify.UsageExceeded || *o.Remaining != 3 || o.Limits[0].Remaining != 2 {
			t.Errorf("cost above the balance: %+v", o)
		}
		r.Cost = verify.Free
		if o := w.Check(r); o.Code != verify.Valid || *o.Remaining != 3 || o.Limits[0].Remaining != 1 {
			t.Errorf("cost 0: %+v", o)
		}
		r.Limits = []verify.LimitRequest{{Name: "own", Cost: 1, Own: true, Limit: 1, Duration: 3600_000}}
		if o := w.Check(r); o.Code != verify.Valid || len(o.Limits) != 2 || o.Limits[1].Remaining != 0 {
			t.Errorf("own limit: %+v", o)
		}
		if o := w.Check(r); o.Code != verify.RateLimited || !o.Limits[0].Exceeded || !o.Limits[1].Exceeded {
			t.Errorf("own limit used up: %+v", o)
		}
		_, err := w.Verify(t.Context(), &verify.Request{Secret: made.Secret, Limits: []verify.LimitRequest{{Name: "none", Cost: 1}}, Cost: verify.Free})
		if e := keys.AsError(err); e == nil || e.Kind != keys.KindPrecondition || !strings.Contains(e.Message, `"none"`) {
			t.Errorf("a limit that is not there: %v", err)
		}
		for _, bad := range []verify.LimitRequest{{Name: "b", Own: true, Limit: 0, Duration: 1000, Cost: verify.Free}, {Name: "b", Own: true, Limit: 1, Duration: 999, Cost: verify.Free}, {Name: "b", Cost: -2}, {Name: "b", Cost: verify.Costs(-1)}} {
			_, err := w.Verify(t.Context(), &verify.Request{Secret: made.Secret, Limits: []verify.LimitRequest{bad}, Cost: verify.Free})
			if e := keys.AsError(err); e == nil || e.Kind != keys.KindInvalid {
				t.Errorf("%+v: %v", bad, err)
			}
		}
	})
}

// A clock that is set back neither frees what was used nor blocks a full limit for
// longer than about two windows; refills go on from where they were.
func TestClockSetBack(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		clock.SetClock(time.Date(2027, 3, 1, 12, 0, 10, 0, time.UTC))
		w := newWorld(t, c)
		minute := ratelimit.Limit{Name: "l", Limit: 5, Duration: 60_000, AutoApply: true}
		made := w.Create(keys.KeyDraft{Limits: []ratelimit.Limit{minute}, Remaining: keystest.Uses(100), Refill: &refill.Schedule{Amount: 100}})
		r := verify.Request{Secret: made.Secret, Cost: 1}
		if got := storm(t, []keystest.Gateway{w.Gateway}, r, 10); got != 5 {
			t.Fatalf("%d passed, want 5", got)
		}
		clock.Advance(-time.Hour)
		if o := w.Check(r); o.Code != verify.RateLimited {
			t.Fatalf("set back by an hour: %s", o.Code)
		}
		clock.Advance(2 * time.Minute)
		if got := storm(t, []keystest.Gateway{w.Gateway}, r, 10); got != 5 {
			t.Fatalf("two windows later %d passed, want 5", got)
		}
		if left := w.Left(made.ID); left.Balance != 90 {
			t.Fatalf("balance %d, want 90", left.Balance)
		}
	})
}

// Two changes in the same microsecond of the store's clock are two revisions.
func TestRevisionsNeverRepeat(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		clock.SetClock(time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC))
		w, other := newWorld(t, c), keystest.NewGateway(c)
		made := w.Create(keys.KeyDraft{})
		r := verify.Request{Secret: made.Secret, Cost: verify.Free}
		for i := range 20 {
			disabled := i%2 == 0
			w.Must(w.UpdateKey(t.Context(), w.Access, made.ID, keys.KeyPatch{Disabled: keys.To(disabled)}))
			if i == 10 {
				clock.Advance(-time.Hour)
			}
			if o, err := other.Verify(t.Context(), &r); err != nil || (o.Code == verify.Disabled) != disabled {
				t.Fatalf("change %d is not obeyed: %+v, %v", i, o, err)
			}
		}
	})
}

// A client library that repeats what got no answer repeats no verification.
func TestRetryingClientSpendsOnce(t *testing.T) {
	server := redistest.Start(t)
	link := redistest.Proxy(t, server.Addr())
	retrying := redistest.Client(t, link.Addr(), func(o *redis.Options) { o.MaxRetries = 3 })
	// A repetition needs a connection that was greeted before replies are cut.
	greet := func() {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { retrying.BLPop(context.Background(), 100*time.Millisecond, "nothing") })
		}
		all.Wait()
	}
	w := newWorld(t, retrying)
	made := w.Create(keys.KeyDraft{Remaining: keystest.Uses(100)})
	w.Check(verify.Request{Secret: made.Secret, Cost: 1})
	for range 3 {
		greet()
		link.CutReplies()
		if _, err := w.Verify(t.Context(), &verify.Request{Secret: made.Secret, Cost: 1}); err == nil {
			t.Fatal("an answer without a reply")
		}
		link.Restore()
	}
	direct := store.Open(server.Client(), store.Options{})
	d, err := direct.Key(t.Context(), w.Access, made.ID, false)
	if err != nil || d.State.Balance < 96 {
		t.Fatalf("four requests spent %d: %v", 100-d.State.Balance, err)
	}
}
