package faults

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/verify"
)

// tally counts what the callers of one key were told.
type tally struct {
	key                  keys.NewKey
	sent, valid, unknown atomic.Int64
	otherwise            atomic.Int64
	balance, spent       int64
}

// storm sends verifications of keys through gateways, from many callers at once.
func storm(tb testing.TB, gateways []gateway, all []*tally, requests, callers int) {
	tb.Helper()
	var group sync.WaitGroup
	var next atomic.Int64
	for i := range callers {
		group.Go(func() {
			for next.Add(1) <= int64(requests) {
				t := all[rand.IntN(len(all))]
				t.sent.Add(1)
				code, err := gateways[i%len(gateways)].spend(tb.Context(), t.key.Secret)
				switch {
				case err == nil && code == verify.Valid:
					t.valid.Add(1)
				case err == nil:
					t.otherwise.Add(1)
				case unavailable(err):
					t.unknown.Add(1)
				default:
					tb.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// account compares what was spent with what was answered, and returns how many uses
// were spent twice, and how many were answered VALID and not spent.
func (w *world) account(all []*tally) (sent, valid, unknown, doubly, free int64) {
	w.TB.Helper()
	time.Sleep(300 * time.Millisecond) // for what is on its way
	for _, t := range all {
		t.spent = t.balance - w.Left(t.key.ID).Balance
		doubly += max(0, t.spent-t.valid.Load()-t.unknown.Load())
		free += max(0, t.valid.Load()-t.spent)
		sent, valid, unknown = sent+t.sent.Load(), valid+t.valid.Load(), unknown+t.unknown.Load()
		if t.spent > t.sent.Load() {
			w.TB.Errorf("%d spent of %d sent", t.spent, t.sent.Load())
		}
	}
	return sent, valid, unknown, doubly, free
}

func (w *world) tallies(n int, d keys.KeyDraft) []*tally {
	w.TB.Helper()
	all := make([]*tally, n)
	for i := range all {
		all[i] = &tally{key: w.Create(d), balance: *d.Remaining}
	}
	return all
}

// A reply that is lost means one use or none, never two, and what was answered VALID
// was spent: whatever go-redis would like to send again.
func TestLostReplies(t *testing.T) {
	server := redistest.Start(t)
	w := newWorld(t, server.Client())
	lossy(t, w, "5 % of replies lost, one Redis", server.URL(), scale(20_000, 1_000_000))
}

func TestLostRepliesOnCluster(t *testing.T) {
	cluster := redistest.Cluster(t, 3, scale(0, 1))
	w := newWorld(t, cluster.Client())
	lossy(t, w, "5 % of replies lost, Cluster", cluster.URL(), scale(10_000, 200_000))
}

func lossy(t *testing.T, w *world, tried, url string, requests int) {
	l := &loss{cut: 45, swallowed: 5, unsent: 10}
	gateways := []gateway{dialLossy(t, url, l), dialLossy(t, url, l)}
	all := w.tallies(8, keys.KeyDraft{Remaining: keystest.Uses(1 << 40)})
	storm(t, gateways, all, 200, 8) // the keys are known before anything is lost
	l.on.Store(true)
	storm(t, gateways, all, requests, 64)
	l.on.Store(false)
	sent, valid, unknown, doubly, free := w.account(all)
	row(t, tried, "%d sent, %d replies lost, %d VALID, %d unknown: %d spent twice, %d VALID without a spend", sent, l.lost.Load(), valid, unknown, doubly, free)
	if doubly+free > 0 || unknown == 0 || valid < int64(requests)/2 {
		t.Error("the promise is broken, or nothing was lost, or nothing went through")
	}
}

// A limit lets no more through than it says while replies are lost: the identity's
// one too, which a Cluster keeps in another slot than the key.
func TestLimitsUnderLoss(t *testing.T) {
	cluster := redistest.Cluster(t, 3, 0)
	w := newWorld(t, cluster.Client())
	most := int64(scale(300, 3000))
	_, err := w.CreateIdentity(t.Context(), w.Access, keys.IdentityDraft{ExternalID: "many keys", Limits: limitsOf(ever("shared", most))})
	w.Must(err)
	all := w.tallies(6, keys.KeyDraft{ExternalID: "many keys", Remaining: keystest.Uses(1 << 40)})
	l := &loss{cut: 45, swallowed: 5, unsent: 10}
	gateways := []gateway{dialLossy(t, cluster.URL(), l), dialLossy(t, cluster.URL(), l)}
	storm(t, gateways, all, 60, 6)
	l.on.Store(true)
	storm(t, gateways, all, int(4*most), 32)
	l.on.Store(false)
	_, valid, unknown, doubly, free := w.account(all)
	row(t, "an identity's limit in another slot, replies lost", "limit %d: %d VALID, %d unknown, %d spent twice, %d VALID without a spend", most, valid, unknown, doubly, free)
	if valid > most || doubly+free > 0 || unknown == 0 {
		t.Error("too much was let through, or nothing was lost")
	}
}
