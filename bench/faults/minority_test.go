package faults

import (
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/verify"
)

// A master of a Cluster that hears of no other node goes on answering, also for a key
// that was revoked at its successor, until its cluster-node-timeout has told it that it
// is alone. From then on every answer is 503, the refusals too. To it, nodes that are
// stopped are nodes beyond a partition.
func TestClusterMasterAlone(t *testing.T) {
	const nodeTimeout = time.Second // the kit's
	cluster := redistest.Cluster(t, 3, 0)
	w := newWorld(t, cluster.Client())
	g := dial(t, cluster.URL())
	of := &tally{key: w.Create(keys.KeyDraft{Remaining: keystest.Uses(1 << 40)}), balance: 1 << 40}
	heals(t, g, of.key.Secret)
	owner := cluster.Owner(recordOf(of.key))

	for _, n := range cluster.Nodes {
		if n != owner {
			n.Freeze()
			defer n.Thaw()
		}
	}
	frozen, last := time.Now(), time.Duration(0)
	for at := time.Duration(0); at < 3*nodeTimeout; at = time.Since(frozen) {
		code, err := g.spend(t.Context(), of.key.Secret)
		switch {
		case err == nil && code == verify.Valid:
			last = time.Since(frozen)
		case err == nil || !unavailable(err):
			t.Fatalf("after %v: %s %v", at, code, err)
		}
		time.Sleep(2 * time.Millisecond)
	}
	row(t, "Cluster: a master alone", "VALID for %v of a node timeout of %v", last.Round(time.Millisecond), nodeTimeout)
	// A node is pinged each half of the timeout, and taken for gone a timeout after a ping.
	if last == 0 || last > nodeTimeout*3/2+300*time.Millisecond {
		t.Errorf("VALID for %v", last)
	}
}
