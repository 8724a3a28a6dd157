package sweep_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/keys/sweep"
	"tollgate/ratelimit"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// swept makes one sweep after the counters of older versions.
func (s *world) swept() bool {
	s.TB.Helper()
	complete, err := sweep.New(s.Store).SweepCountersOnce(s.TB.Context())
	s.Must(err)
	return complete
}

// older writes a counter as an older version did, and indexes nothing.
func older(t *testing.T, c redis.UniversalClient, shard, owner, name string, duration int64) string {
	t.Helper()
	counter := layout.Counter(shard, owner, name, duration)
	value := strings.Repeat("\x00", 20) + "\x01"
	if err := c.Set(t.Context(), counter, value, time.Duration(2*duration)*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	return counter
}

func shardOf(secret keys.Secret) string {
	_, shard := layout.RecordName(secret.Digest())
	return shard
}

// TestCountersFromBeforeGetAnEnd sweeps what older versions left: counters of a key that
// is gone are deleted, also where it was deleted softly or its counters are in the slot of
// another place; those of a key that is there are listed and end when a new one would;
// those of identities and namespaces that something stored still needs stay as they are.
func TestCountersFromBeforeGetAnEnd(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		long := s.Access
		long.LongDurations = true
		alive, gone, soft := s.Create(keys.KeyDraft{ExternalID: "user_1"}), s.Create(keys.KeyDraft{}), s.Create(keys.KeyDraft{})
		person := keys.IdentityRef{ExternalID: "user_1"}
		_, err := s.UpdateIdentity(t.Context(), long, person, keys.IdentityPatch{Limits: keys.To(keystest.Limits(keys.MaxLongDuration))})
		s.Must(err)
		made, err := s.CreateKey(t.Context(), long, keys.KeyDraft{APIID: s.APIID, Limits: keystest.Limits(keys.MaxLongDuration)})
		s.Must(err)
		_, err = s.SetOverride(t.Context(), long, keys.NamespaceRef{Name: "n", Create: true}, keys.Override{Identifier: "x*", Limit: 1, Duration: keys.MaxLongDuration})
		s.Must(err)
		keystest.LengthenWindows(t, c)
		s = &world{s.On(c)}
		i, err := s.Identity(t.Context(), s.Access, person)
		s.Must(err)
		n, err := s.Namespace(t.Context(), s.Access, keys.NamespaceRef{Name: "n"})
		s.Must(err)

		inSpace := func(identifier string, duration int64) string {
			return older(t, c, layout.ShardOf(n.ID+":"+identifier), n.ID, identifier, duration)
		}
		names := map[string]string{
			"longest":           older(t, c, shardOf(alive.Secret), alive.ID, "a", ratelimit.MaxDuration),
			"short":             older(t, c, shardOf(alive.Secret), alive.ID, "b:c", 60_000),
			"with a stored one": older(t, c, shardOf(made.Secret), made.ID, "a", 60_000),
			"another place":     older(t, c, shardOf(gone.Secret), alive.ID, "a", 60_000),
			"gone":              older(t, c, shardOf(gone.Secret), gone.ID, "a", ratelimit.MaxDuration),
			"soft":              older(t, c, shardOf(soft.Secret), soft.ID, "a", 60_000),
			"never":             older(t, c, "00", "key_never", "a", 60_000),
			"identity":          older(t, c, "", i.ID, "limit", ratelimit.MaxDuration),
			"identity, short":   older(t, c, "", i.ID, "limit", 60_000),
			"old identity":      older(t, c, "", "id_gone", "limit", ratelimit.MaxDuration),
			"override":          inSpace("x1", ratelimit.MaxDuration),
			"namespace":         inSpace("x1", ratelimit.MaxDuration-1),
			"namespace, a year": inSpace("x1", keys.MaxLongDuration),
		}
		if same := names["another place"] == names["short"]; same || shardOf(gone.Secret) == shardOf(alive.Secret) {
			delete(names, "another place")
		}
		s.Must(c.ZAdd(t.Context(), "tg:ci:{00}key_never", redis.Z{Member: "60000:a"}).Err())
		s.Must(s.DeleteKey(t.Context(), s.Access, gone.ID, true))
		s.Must(s.DeleteKey(t.Context(), s.Access, soft.ID, false))
		if !s.swept() {
			t.Fatal("nothing was swept")
		}
		const lost = 0
		ends := map[string]int64{
			"longest": 2 * keys.MaxDuration, "short": 2 * 60_000, "with a stored one": 2 * 60_000,
			"another place": lost, "gone": lost, "soft": lost, "never": lost,
			"identity": 2 * ratelimit.MaxDuration, "identity, short": 2 * 60_000, "old identity": 2 * keys.MaxLongDuration,
			"override": 2 * ratelimit.MaxDuration, "namespace": 2 * keys.MaxLongDuration, "namespace, a year": 2 * keys.MaxLongDuration,
		}
		for what, name := range names {
			life := c.PTTL(t.Context(), name).Val().Milliseconds()
			if want := ends[what]; want == lost && c.Exists(t.Context(), name).Val() != 0 || want != lost && (life > want || life < want-60_000) {
				t.Errorf("%s ends in %d ms, want %d", what, life, want)
			}
		}
		indexes := redistest.Names(t, c, "tg:ci:*")
		listed := c.ZRange(t.Context(), layout.CounterIndexName(shardOf(alive.Secret), alive.ID), 0, -1).Val()
		if len(indexes) != 2 || fmt.Sprint(listed) != "[60000:b:c 137438953471:a]" {
			t.Errorf("indexes %v, that of the key lists %v", indexes, listed)
		}
		s.Must(s.DeleteKey(t.Context(), s.Access, alive.ID, true))
		if n := c.Exists(t.Context(), names["longest"]).Val() + c.Exists(t.Context(), names["short"]).Val(); n != 0 {
			t.Errorf("%d counters outlive their key", n)
		}
	})
}

// A key that has more counters from before than it may have keeps them until they end, and
// makes no new one until then.
func TestCountersFromBeforeStay(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		made := s.Create(keys.KeyDraft{})
		for i := range 200 {
			older(t, c, shardOf(made.Secret), made.ID, fmt.Sprint("old:", i), 3600_000)
		}
		s.swept()
		if n := len(redistest.Names(t, c, "tg:c:*")); n != 200 {
			t.Errorf("%d counters are left of 200", n)
		}
		index := layout.CounterIndexName(shardOf(made.Secret), made.ID)
		if n := c.ZCard(t.Context(), index).Val(); n != store.MaxKeyCounters {
			t.Errorf("the index lists %d", n)
		}
		gateway := verify.New(s.Store, verify.Options{Timeout: 10 * time.Second})
		use := func(name string) error {
			_, err := gateway.Verify(t.Context(), &verify.Request{Secret: made.Secret, Limits: []verify.LimitRequest{{Name: name, Cost: 1, Own: true, Limit: 9, Duration: 3600_000}}, Cost: verify.Free})
			return err
		}
		if err := use("new"); keystest.Kind(err) != keys.KindInvalid {
			t.Errorf("one more: %v", err)
		}
		for i := range 200 {
			s.Must(use(fmt.Sprint("old:", i)))
		}
	})
}

// The sweep is made once a day for a week, by one gateway at a time, and then never again.
// One that ends in the middle is made again.
func TestCounterSweepEnds(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		s := newWorld(t, c, "w")
		s.Must(c.Set(t.Context(), "tg:s:counters:lease", "another gateway", time.Minute).Err())
		if s.swept() {
			t.Error("two gateways sweep at the same time")
		}
		clock.Advance(2 * time.Minute)
		stopped, cancel := context.WithCancel(t.Context())
		cancel()
		if complete, err := sweep.New(s.Store).SweepCountersOnce(stopped); complete || err == nil {
			t.Errorf("a sweep that was stopped: %v, %v", complete, err)
		}
		sweeps := 0
		for range 24 * 10 {
			if s.swept() {
				sweeps++
			}
			clock.Advance(time.Hour)
		}
		if sweeps != 8 {
			t.Errorf("%d sweeps in ten days, want 8", sweeps)
		}
		if n := c.HSet(t.Context(), "tg:s:counters", "version", "0").Val(); n != 0 || !s.swept() {
			t.Error("what another version of the sweep did counts as done")
		}
	})
}

// TestImportedCountersAreListed moves a workspace and its counters to another store: they
// are listed there, end with their key, and are no more than the key may have.
func TestImportedCountersAreListed(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		made := s.Create(keys.KeyDraft{})
		var ask []verify.LimitRequest
		for i := range 40 {
			ask = append(ask, verify.LimitRequest{Name: fmt.Sprint("own:", i), Cost: 1, Own: true, Limit: 9, Duration: keys.MaxDuration})
		}
		_, err := verify.New(s.Store, verify.Options{Timeout: 10 * time.Second}).Verify(t.Context(), &verify.Request{Secret: made.Secret, Limits: ask, Cost: verify.Free})
		s.Must(err)
		for i := range 100 { // beyond the index, from before
			older(t, c, shardOf(made.Secret), made.ID, fmt.Sprint("old:", i), ratelimit.MaxDuration)
		}
		there := redistest.Empty(t)
		into := &world{s.On(there)}
		done := into.ImportAll(s.Export())
		index := layout.CounterIndexName(shardOf(made.Secret), made.ID)
		if n, counters := there.ZCard(t.Context(), index).Val(), redistest.Names(t, there, "tg:c:*"); n != store.MaxKeyCounters || len(counters) != store.MaxKeyCounters || done.Different != 12 {
			t.Errorf("%d of %d counters are listed, want %d; %+v", n, len(counters), store.MaxKeyCounters, done)
		}
		for _, name := range redistest.Names(t, there, "tg:c:*") {
			if life := there.PTTL(t.Context(), name).Val(); life > 2*keys.MaxDuration*time.Millisecond || life <= 0 {
				t.Errorf("%s lives for %v", name, life)
			}
		}
		into.Must(into.DeleteKey(t.Context(), into.Access, made.ID, true))
		if left := redistest.Names(t, there, "tg:c[:i]*"); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	})
}
