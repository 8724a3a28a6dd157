package faults

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/verify"
)

// outage watches one key, and remembers the longest time without a VALID answer.
type outage struct {
	longest time.Duration
	over    atomic.Bool
	done    chan struct{}
	errors  map[string]int
}

// watch verifies the key of a tally all the time.
func watch(tb testing.TB, g gateway, of *tally) *outage {
	o := &outage{done: make(chan struct{}), errors: map[string]int{}}
	go func() {
		defer close(o.done)
		for last := time.Now(); !o.over.Load(); time.Sleep(2 * time.Millisecond) {
			of.sent.Add(1)
			code, err := g.spend(tb.Context(), of.key.Secret)
			switch {
			case err == nil && code == verify.Valid:
				of.valid.Add(1)
				o.longest = max(o.longest, time.Since(last))
				last = time.Now()
			case err != nil && unavailable(err):
				of.unknown.Add(1)
				o.errors[cause(err)]++
			default: // a failover may have forgotten it
				o.errors[string(code)]++
			}
		}
	}()
	return o
}

// cause is the kind of failure, for the table.
func cause(err error) string {
	text := errors.Unwrap(keys.AsError(err)).Error()
	for _, word := range []string{"CROSSSLOT", "TRYAGAIN", "CLUSTERDOWN", "READONLY", "MOVED", "ASK", "refused", "timeout", "deadline", "EOF", "reset"} {
		if strings.Contains(text, word) {
			return word
		}
	}
	return text
}

func (o *outage) end() time.Duration {
	o.over.Store(true)
	<-o.done
	return o.longest
}

// recordOf is the name of a key's record.
func recordOf(made keys.NewKey) string {
	name, _ := layout.RecordName(made.Secret.Digest())
	return name
}

// disturbed puts load on keys while something happens to the servers, and accounts.
// What a failover may lose is printed; what was spent twice is a failure.
func disturbed(t *testing.T, w *world, g gateway, tried string, mayLose bool, bound time.Duration, happen func(first keys.NewKey)) {
	t.Helper()
	all := w.tallies(8, keys.KeyDraft{Remaining: keystest.Uses(1 << 40), Limits: limitsOf(ever("l", 1<<40))})
	var over atomic.Bool
	var group sync.WaitGroup
	group.Go(func() {
		for !over.Load() {
			storm(t, []gateway{g}, all, 200, 8)
			time.Sleep(5 * time.Millisecond) // while all are refused
		}
	})
	o := watch(t, g, all[0])
	time.Sleep(200 * time.Millisecond)
	happen(all[0].key)
	heals(t, g, all[0].key.Secret)
	all[0].sent.Add(1)
	all[0].valid.Add(1) // the one that showed that it has healed
	time.Sleep(300 * time.Millisecond)
	over.Store(true)
	group.Wait()
	longest := o.end()
	heals(t, gateway{w.Gateway}, all[0].key.Secret)
	all[0].sent.Add(1)
	all[0].valid.Add(1) // the one that showed that it has healed
	_, valid, unknown, doubly, free := w.account(all)
	row(t, tried, "%d VALID, %d unknown: %d spent twice, %d acknowledged spends lost, outage %s %v", valid, unknown, doubly, free, longest.Round(time.Millisecond), o.errors)
	if doubly > 0 || !mayLose && free > 0 || longest > bound || o.errors["CROSSSLOT"] > 0 || !mayLose && o.errors[string(verify.NotFound)] > 0 {
		t.Error("the promise is broken")
	}
}

// Whatever happens to the nodes of a Cluster, nothing is spent twice, and it is over soon.
func TestClusterMoves(t *testing.T) {
	cluster := redistest.Cluster(t, 3, 1)
	w := newWorld(t, cluster.Client())
	g := dial(t, cluster.URL())
	disturbed(t, w, g, "Cluster: a replica promoted", false, 5*time.Second, func(k keys.NewKey) { cluster.FailOver(recordOf(k)) })
	disturbed(t, w, g, "Cluster: a slot moved", false, 5*time.Second, func(k keys.NewKey) {
		record := recordOf(k)
		from := cluster.Owner(record)
		for _, to := range cluster.Nodes {
			if to != from && len(cluster.Replicas(to)) > 0 {
				cluster.BeginMove(record, to)
				time.Sleep(50 * time.Millisecond)
				cluster.MoveKeys(to, record)
				time.Sleep(50 * time.Millisecond)
				cluster.EndMove(record, to)
				return
			}
		}
	})
	disturbed(t, w, g, "Cluster: a master killed", true, 15*time.Second, func(k keys.NewKey) {
		cluster.KillOwner(recordOf(k))
		cluster.AwaitOwner(recordOf(k))
	})
}

// A Sentinel's failover spends nothing twice; what the old master had not passed on
// may be forgotten.
func TestSentinelFailover(t *testing.T) {
	sentinel := redistest.Sentinel(t)
	w := newWorld(t, sentinel.Client())
	g := dial(t, sentinel.URL())
	disturbed(t, w, g, "Sentinel: failover asked for", true, 15*time.Second, func(keys.NewKey) { sentinel.FailOver() })
	sentinel = redistest.Sentinel(t) // in which every replica follows already
	w, g = newWorld(t, sentinel.Client()), dial(t, sentinel.URL())
	disturbed(t, w, g, "Sentinel: the master killed", true, 20*time.Second, func(keys.NewKey) {
		sentinel.KillMaster()
		sentinel.AwaitMaster()
	})
	if full {
		careful := redistest.Sentinel(t, redistest.WithConfig("min-replicas-to-write 1", "min-replicas-max-lag 1"))
		w, g = newWorld(t, careful.Client()), dial(t, careful.URL())
		disturbed(t, w, g, "Sentinel: asked for, min-replicas-to-write 1", true, 15*time.Second, func(keys.NewKey) { careful.FailOver() })
	}
}

// What an identity's limit gave to a verification that did not happen is given back:
// because the key refused, or because its node certainly did not run the script.
func TestSharedLimitsGivenBack(t *testing.T) {
	cluster := redistest.Cluster(t, 3, 0)
	w := newWorld(t, cluster.Client())
	_, err := w.CreateIdentity(t.Context(), w.Access, keys.IdentityDraft{ExternalID: "shared", Limits: limitsOf(ever("shared", 1_000_000))})
	w.Must(err)
	g := dial(t, cluster.URL())
	draft := keys.KeyDraft{ExternalID: "shared", Remaining: keystest.Uses(0)}
	all := w.tallies(12, draft)
	storm(t, []gateway{g}, all, scale(500, 20_000), 16)
	used := w.sharedUsed(t, g, all)
	row(t, "identity's limit, every key refuses", "%d asked: %d still counted", scale(500, 20_000), used)
	if used != 0 {
		t.Error("something was not given back")
	}

	lucky := w.tallies(64, keys.KeyDraft{ExternalID: "shared", Remaining: keystest.Uses(1 << 40)})
	storm(t, []gateway{g}, lucky, 100, 4)
	identity, err := w.Identity(t.Context(), w.Access, keys.IdentityRef{ExternalID: "shared"})
	w.Must(err)
	home := cluster.Owner("{" + layout.ShardOf(identity.ID) + "}")
	for _, dead := range cluster.Nodes {
		if dead == home {
			continue
		}
		dead.Kill()
		gone, alive := split(cluster, lucky, dead)
		if len(gone) == 0 || len(alive) == 0 {
			t.Fatal("64 keys are all on one side of a Cluster of three")
		}
		lost := w.pressGone(t, g, gone)
		dead.Restart()
		cluster.Await()
		valid := int64(0)
		for _, of := range lucky {
			valid += of.valid.Load()
		}
		used = w.sharedUsed(t, g, alive) // the dead node kept nothing
		row(t, "identity's limit, the key's node killed", "%d VALID, %d replies lost: %d counted", valid, lost, used)
		if used < valid || used > valid+lost {
			t.Error("what was taken and certainly not used was not given back")
		}
		return
	}
}

// split sorts tallies by whether their record is on a node.
func split(c *redistest.ClusterServer, all []*tally, node *redistest.Server) (there, elsewhere []*tally) {
	for _, of := range all {
		if c.Owner(recordOf(of.key)) == node {
			there = append(there, of)
		} else {
			elsewhere = append(elsewhere, of)
		}
	}
	return there, elsewhere
}

// pressGone verifies keys whose node is dead, and returns how many of them may have run.
func (w *world) pressGone(t *testing.T, g gateway, gone []*tally) (lost int64) {
	t.Helper()
	for i := range scale(60, 600) {
		o, err := g.Verify(context.Background(), &verify.Request{Secret: gone[i%len(gone)].key.Secret, Cost: 1})
		switch {
		case err == nil:
			t.Errorf("%s by a dead node", o.Code)
		case !unavailable(err):
			t.Error(err)
		case !redisdb.NotRun(err):
			lost++
		}
	}
	return lost
}

// sharedUsed looks how much of the identity's limit is used.
func (w *world) sharedUsed(t *testing.T, g gateway, all []*tally) int64 {
	t.Helper()
	r := verify.Request{Secret: all[0].key.Secret, Limits: []verify.LimitRequest{{Name: "shared", Cost: verify.Free}}, Cost: verify.Free}
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		o, err := g.Verify(t.Context(), &r)
		if err == nil && len(o.Limits) == 1 {
			return o.Limits[0].Limit.Limit - o.Limits[0].Remaining
		}
		if time.Since(begun) > 10*time.Second {
			t.Fatalf("%+v %v", o, err)
		}
	}
}
