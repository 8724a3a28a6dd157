package store_test

import (
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/keys/sweep"
	"tollgate/keys/usage"
	"tollgate/ratelimit"
	"tollgate/refill"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// wrong is what a clock says that is wrong for a while.
var wrong = time.Date(2099, 6, 15, 12, 0, 0, 0, time.UTC)

// A look at a key while Redis's clock is wrong ends no refill and fills no limit: the next
// boundary comes at its time, also where everything is refused until then.
func TestRefillAfterAWrongClock(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		s := newWorld(t, c, "w")
		gateway := verify.New(s.Store, verify.Options{Timeout: 10 * time.Second})
		right := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
		for _, monthly := range []int{0, 31} {
			clock.SetClock(right)
			made := s.Create(keys.KeyDraft{
				Remaining: keystest.Uses(3), Refill: &refill.Schedule{Amount: 3, Day: monthly},
				Limits: []ratelimit.Limit{{Name: "l", Limit: 3, Duration: hour, AutoApply: true}},
			})
			use := func() (valid int) {
				for range 5 {
					o, err := gateway.Verify(t.Context(), &verify.Request{Secret: made.Secret, Cost: 1})
					s.Must(err)
					if o.Code == verify.Valid {
						valid++
					}
				}
				return valid
			}
			clock.SetClock(wrong)
			if n := use(); n != 3 {
				t.Fatalf("%d of 3 uses in 2099", n)
			}
			clock.SetClock(right)
			if n := use(); n != 0 {
				t.Errorf("day %d: the clock is right again, and that gave %d uses", monthly, n)
			}
			if d := s.Read(made.ID); d.State.Balance != 0 || d.State.NextRefill-d.Now > 31*24*hour || d.Key.LastRefill(d.Now) > d.Now {
				t.Errorf("day %d: read as %+v", monthly, d.State)
			}
			next := right.AddDate(0, 0, 1)
			if monthly != 0 {
				next = time.Date(2026, 11, 30, 0, 0, 1, 0, time.UTC)
			}
			clock.SetClock(next)
			if n := use(); n != 3 {
				t.Errorf("day %d: %d uses of 3 after the next boundary", monthly, n)
			}
		}
	})
}

// When a key was last used is told, whatever a wrong clock said before.
func TestLastUseAfterAWrongClock(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		s := newWorld(t, c, "w")
		made := s.Create(keys.KeyDraft{})
		usage := usage.NewCounter(usage.NewReader(s.Store, 0))
		defer func() { _ = usage.Close(t.Context()) }()
		now := clock.Now()
		for _, at := range []time.Time{wrong, now} {
			clock.SetClock(at)
			// One that has not heard the clock yet: for a moment the other reckons by what it heard.
			gateway := verify.New(s.Store, verify.Options{Timeout: 10 * time.Second, Observer: verify.CountUsage(usage, nil)})
			if _, err := gateway.Verify(t.Context(), &verify.Request{Secret: made.Secret, Cost: verify.Free}); err != nil {
				t.Fatal(err)
			}
			s.Must(usage.Flush(t.Context()))
			used, err := s.LastUsed(t.Context(), s.Read(made.ID).Key)
			s.Must(err)
			if d := time.UnixMilli(used[0]).Sub(at).Abs(); d > time.Minute {
				t.Errorf("used at %v, told %v", at, time.UnixMilli(used[0]))
			}
		}
	})
}

// An API that was deleted while the clock was wrong is swept, and tombstones are looked at,
// when it is right.
func TestSweepAfterAWrongClock(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		s := newWorld(t, c, "w")
		before := len(keystest.Leftovers(t, c))
		s.Create(keys.KeyDraft{})
		now := clock.Now()
		clock.SetClock(wrong)
		s.Must(s.DeleteAPI(t.Context(), s.Access, s.APIID))
		clock.SetClock(now)
		s.SweepUp()
		if names := keystest.Leftovers(t, c); len(names) != before {
			t.Errorf("left: %q", names)
		}
		clock.SetClock(wrong)
		s.SweepUp() // it notes when tombstones are looked at next
		clock.SetClock(now)
		noted := func() string { return c.Get(t.Context(), "tg:s:t").Val() }
		if old := noted(); !strings.HasPrefix(old, "4") { // 2099 in unix ms
			t.Fatalf("noted %q", old)
		}
		s.SweepUp()
		if after := noted(); !strings.HasPrefix(after, "1") {
			t.Errorf("tombstones are looked at next at %s", after)
		}
	})
}

// A lease that a gateway took while the clock was wrong keeps nobody from sweeping for ever.
func TestLeaseAfterAWrongClock(t *testing.T) {
	server := redistest.Start(t, redistest.WithMovableClock())
	s := newWorld(t, server.Client(), "w")
	now := server.Now()
	server.SetClock(wrong)
	s.SweepUp()
	server.SetClock(now)
	heir := newWorld(t, server.Client(), "w")
	heir.Must(heir.DeleteAPI(t.Context(), heir.Access, heir.APIID))
	if worked, err := sweep.New(heir.Store).SweepOnce(t.Context()); !worked || err != nil {
		t.Errorf("it does not sweep: %v", err)
	}
}

// A change that was prepared while the clock was wrong, and never made, is not waited for
// when it is right: the revision says again that nothing is under way.
func TestAnnouncementAfterAWrongClock(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		if _, cluster := c.(*redis.ClusterClient); !cluster {
			return // changes are prepared on a Cluster alone
		}
		s := newWorld(t, c, "w")
		revision := "tg:v:{" + s.Access.WorkspaceID + "}d"
		s.Must(c.ZAdd(t.Context(), revision+":a", redis.Z{Score: float64(wrong.UnixMilli()), Member: "chg_lost"}).Err())
		for range 2 {
			s.Must(s.ProtectAPI(t.Context(), s.Access, s.APIID, false))
			s.Must(s.ProtectAPI(t.Context(), s.Access, s.APIID, true))
		}
		n, now := c.ZCard(t.Context(), revision+":a").Val(), c.Get(t.Context(), revision).Val()
		if n != 0 || now[len(now)-1]&1 == 1 {
			t.Errorf("%d changes are waited for, the revision is %q", n, now)
		}
	})
}

// An Idempotency-Key that was noted while the clock was wrong is forgotten like any other.
func TestIdempotencyAfterAWrongClock(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		s := newWorld(t, c, "w")
		made := s.Create(keys.KeyDraft{})
		now := clock.Now()
		r := store.Reroll{Grace: 1000 * 24 * hour, IdempotencyKey: "one"}
		clock.SetClock(wrong)
		first, err := s.RerollKey(t.Context(), s.Access, made.ID, r)
		s.Must(err)
		clock.SetClock(now)
		second, err := s.RerollKey(t.Context(), s.Access, made.ID, r)
		s.Must(err)
		if first.ID == second.ID {
			t.Error("it was taken for a repeat")
		}
	})
}
