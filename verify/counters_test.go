package verify_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/keys/sweep"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// own asks for limits of the request's own by names from one number up to another.
func own(from, to int, duration int64) (all []verify.LimitRequest) {
	for i := from; i < to; i++ {
		all = append(all, verify.LimitRequest{Name: fmt.Sprint("own:", i), Cost: 1, Own: true, Limit: 5, Duration: duration})
	}
	return all
}

func kindOf(err error) keys.Kind {
	if err == nil {
		return 255
	}
	return keys.AsError(err).Kind
}

// A key has as many counters of requests' own limits as it may have, whatever they are
// called and however long their windows are. A request that needs more spends nothing and
// says so; those that are there go on counting, and one that has ended makes room.
func TestCountersOfAKeyAreBounded(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		w := newWorld(t, c)
		made := w.Create(keys.KeyDraft{Remaining: keystest.Uses(100)})
		ask := func(limits []verify.LimitRequest) (*verify.Outcome, error) {
			return w.Verify(t.Context(), &verify.Request{Secret: made.Secret, Cost: 1, Limits: limits})
		}
		clock.SetClock(time.UnixMilli(day * (clock.Now().UnixMilli()/day + 1)))
		for _, limits := range [][]verify.LimitRequest{own(0, 50, keys.MaxDuration), own(50, 100, 3600_000)} {
			if o, err := ask(limits); err != nil || o.Code != verify.Valid {
				t.Fatalf("%+v, %v", o, err)
			}
		}
		_, err := ask(own(100, 150, 1000))
		if e := keys.AsError(err); err == nil || e.Kind != keys.KindInvalid || e.Field != "ratelimits" || !strings.Contains(e.Message, "128") {
			t.Fatalf("150 counters: %v", err)
		}
		if left := w.Left(made.ID).Balance; left != 98 || len(w.counters()) != 100 {
			t.Errorf("the refused request left %d uses and %d counters, want 98 and 100", left, len(w.counters()))
		}
		if o, err := ask(own(100, 128, 1000)); err != nil || o.Code != verify.Valid {
			t.Fatalf("128 counters: %+v, %v", o, err)
		}
		if _, err := ask(own(128, 129, 1000)); kindOf(err) != keys.KindInvalid {
			t.Fatalf("129 counters: %v", err)
		}
		looks := own(128, 129, 1000)
		looks[0].Cost = verify.Free
		if o, err := ask(looks); err != nil || o.Code != verify.Valid {
			t.Errorf("a look, which makes none: %+v, %v", o, err)
		}
		if o, err := ask(own(40, 60, keys.MaxDuration)[:10]); err != nil || o.Limits[0].Remaining != 3 {
			t.Errorf("a counter that is there: %+v, %v", o, err)
		}
		clock.Advance(3 * time.Second)
		if o, err := ask(own(200, 228, 1000)); err != nil || o.Code != verify.Valid {
			t.Errorf("in the room of those that ended: %+v, %v", o, err)
		}
		if _, err := ask(own(228, 229, 1000)); kindOf(err) != keys.KindInvalid {
			t.Errorf("one more: %v", err)
		}
		index := redistest.Names(t, c, "tg:ci:*")
		if len(index) != 1 || c.ZCard(t.Context(), index[0]).Val() != store.MaxKeyCounters || c.TTL(t.Context(), index[0]).Val() != -1 {
			t.Errorf("the index: %v", index)
		}
	})
}

// A counter that use keeps alive past the end that its index has for it still counts.
func TestCounterKeptByUseStaysListed(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		w := newWorld(t, c)
		made := w.Create(keys.KeyDraft{})
		clock.SetClock(time.UnixMilli(day * (clock.Now().UnixMilli()/day + 1)))
		limits := func(from, to int) *verify.Request {
			return &verify.Request{Secret: made.Secret, Limits: own(from, to, 60_000), Cost: verify.Free}
		}
		for range 5 { // five windows, two lives and a half
			for from := 0; from < store.MaxKeyCounters; from += 32 {
				if o, err := w.Verify(t.Context(), limits(from, from+32)); err != nil || o.Code != verify.Valid {
					t.Fatalf("%+v, %v", o, err)
				}
			}
			if _, err := w.Verify(t.Context(), limits(500, 501)); kindOf(err) != keys.KindInvalid {
				t.Fatalf("one more: %v", err)
			}
			clock.Advance(time.Minute)
		}
		clock.Advance(2 * time.Minute)
		if o, err := w.Verify(t.Context(), limits(500, 550)); err != nil || o.Code != verify.Valid {
			t.Errorf("when all have ended: %+v, %v", o, err)
		}
	})
}

// Of any number of requests at the same time, on several gateways, exactly as many make a
// counter as there is room for.
func TestCountersOfAKeyAreExactUnderConcurrency(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		made := w.Create(keys.KeyDraft{})
		for _, limits := range [][]verify.LimitRequest{own(0, 60, day), own(60, 108, day)} {
			w.Check(verify.Request{Secret: made.Secret, Limits: limits, Cost: verify.Free})
		}
		gateways := []keystest.Gateway{w.Gateway, keystest.NewGateway(c), keystest.NewGateway(c)}
		var passed, refused atomic.Int64
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				limits := own(200+2*i, 202+2*i, day)
				_, err := gateways[i%3].Verify(context.Background(), &verify.Request{Secret: made.Secret, Limits: limits, Cost: verify.Free})
				switch kindOf(err) {
				case 255:
					passed.Add(1)
				case keys.KindInvalid:
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if passed.Load() != 10 || refused.Load() != 40 || len(w.counters()) != store.MaxKeyCounters {
			t.Errorf("%d passed, %d were refused, there are %d counters; want 10, 40, %d", passed.Load(), refused.Load(), len(w.counters()), store.MaxKeyCounters)
		}
	})
}

// However a key is deleted, the counters that requests made of it end with it, and those
// of its identity and of other keys stay.
func TestCountersEndWithTheirKey(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		other, err := w.CreateAPI(t.Context(), w.Access, "other")
		w.Must(err)
		stays := w.Create(keys.KeyDraft{APIID: w.APIID})
		used := func(made keys.NewKey) {
			w.Check(verify.Request{Secret: made.Secret, Limits: own(0, 20, keys.MaxDuration), Cost: verify.Free})
		}
		used(stays)
		for name, remove := range map[string]func(keys.NewKey) error{
			"for good":   func(k keys.NewKey) error { return w.DeleteKey(t.Context(), w.Access, k.ID, true) },
			"softly":     func(k keys.NewKey) error { return w.DeleteKey(t.Context(), w.Access, k.ID, false) },
			"with all":   func(keys.NewKey) error { _, err := w.DeleteKeys(t.Context(), w.Access, other.ID, true); return err },
			"all softly": func(keys.NewKey) error { _, err := w.DeleteKeys(t.Context(), w.Access, other.ID, false); return err },
			"its API": func(keys.NewKey) error {
				err := w.DeleteAPI(t.Context(), w.Access, other.ID)
				sweeper := sweep.New(w.Store)
				for worked := true; worked && err == nil; {
					worked, err = sweeper.SweepOnce(t.Context())
				}
				return err
			},
		} {
			if other, err = w.CreateAPI(t.Context(), w.Access, name); err != nil {
				t.Fatal(err)
			}
			made, err := w.CreateKey(t.Context(), w.Access, keys.KeyDraft{APIID: other.ID})
			w.Must(err)
			used(made)
			if n := len(w.counters()); n != 40 {
				t.Fatalf("%s: %d counters before", name, n)
			}
			w.Must(remove(made))
			left, index := w.counters(), redistest.Names(t, c, "tg:ci:*")
			for counter := range left {
				if !strings.Contains(counter, stays.ID) {
					t.Errorf("%s: %s is left", name, counter)
				}
			}
			if len(left) != 20 || len(index) != 1 {
				t.Errorf("%s: %d counters and %d indexes are left", name, len(left), len(index))
			}
		}
	})
}

// A key can be deleted, with its counters, where Redis has no memory left.
func TestCountersEndOnAFullRedis(t *testing.T) {
	server := redistest.Start(t, redistest.WithConfig("maxmemory-policy noeviction"))
	w := newWorld(t, server.Client())
	for _, permanent := range []bool{true, false} {
		made := w.Create(keys.KeyDraft{})
		w.Check(verify.Request{Secret: made.Secret, Limits: own(0, 20, keys.MaxDuration), Cost: verify.Free})
		server.Do("CONFIG", "SET", "maxmemory", "1")
		if _, err := w.Verify(t.Context(), &verify.Request{Secret: made.Secret, Limits: own(20, 40, day), Cost: verify.Free}); kindOf(err) != keys.KindUnavailable {
			t.Errorf("a counter was made: %v", err)
		}
		w.Must(w.DeleteKey(t.Context(), w.Access, made.ID, permanent))
		server.Do("CONFIG", "SET", "maxmemory", "0")
		if left := redistest.Names(t, server.Client(), "tg:c[:i]*"); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	}
}

// A gateway of the release before and one of this count in the same place, whichever of
// them made the counter: it has the same name and holds the same.
func TestCountersAreSharedWithTheReleaseBefore(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		made := w.Create(keys.KeyDraft{})
		_, shard := layout.RecordName(made.Secret.Digest())
		name := func(limit string) string { return "tg:c:{" + shard + "}" + made.ID + ":2592000000:" + limit }
		now, err := w.Now(t.Context())
		w.Must(err)
		window := layout.AppendU56(layout.AppendU56(layout.AppendU56(nil, now/keys.MaxDuration), 3), 0)
		w.Must(c.Set(t.Context(), name("own:0"), window, 24*time.Hour).Err())
		o := w.Check(verify.Request{Secret: made.Secret, Limits: own(0, 2, keys.MaxDuration), Cost: verify.Free})
		if o.Limits[0].Remaining != 1 || o.Limits[1].Remaining != 4 {
			t.Errorf("%d and %d are left, want 1 and 4", o.Limits[0].Remaining, o.Limits[1].Remaining)
		}
		for i, used := range []int64{4, 1} {
			value := c.Get(t.Context(), name(fmt.Sprint("own:", i))).Val()
			if len(value) != 21 || layout.U56(value[7:14]) != used {
				t.Errorf("own:%d holds %x", i, value)
			}
		}
	})
}
