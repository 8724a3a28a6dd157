package verify

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
)

// idleLookups is a queue from which nothing leaves but by take.
func idleLookups(t *testing.T) *lookups {
	v := New(store.Open(redistest.Client(t, redistest.Mini(t).Addr()), store.Options{}), Options{})
	v.lookups.running = true
	return v.lookups
}

func guessKey(n int, address string) lookupKey {
	k := lookupKey{digest: keys.NewSecret(fmt.Sprint("guess ", n)).Digest()}
	if address != "" {
		k.source = netip.MustParseAddr(address)
	}
	return k
}

func fresh() int64 { return int64(time.Since(start)) }

// fill has an address send root keys until there is no place for one more.
func (q *lookups) fill(t *testing.T, address string) (n int) {
	t.Helper()
	for ; n <= 8*maxLookups; n++ {
		if _, err := q.join(guessKey(n, address), fresh()); err != nil {
			if keys.AsError(err).Kind != keys.KindUnavailable {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("the queue has no end")
	return n
}

// An address that sends more than can be looked up is what waits for that, and nobody
// else: another one's is in the next batch.
func TestLookupsAreTakenFromEachAddressInTurn(t *testing.T) {
	q := idleLookups(t)
	if n := q.fill(t, "192.0.2.1"); n != maxLookups {
		t.Errorf("one address alone has %d places, want %d", n, maxLookups)
	}
	later, err := q.join(guessKey(0, "192.0.2.2"), fresh())
	if err != nil {
		t.Fatalf("another address: %v", err)
	}
	if n := q.fill(t, "192.0.2.3"); n != maxLookups/3 {
		t.Errorf("the third address has %d places, want %d", n, maxLookups/3)
	}
	batch := q.take()
	counts := map[netip.Addr]int{}
	for _, l := range batch {
		counts[l.source]++
	}
	if len(batch) != maxBatch || counts[later.source] != 1 || counts[netip.MustParseAddr("192.0.2.3")] < maxBatch/2-1 {
		t.Errorf("the next batch has %v", counts)
	}
}

// However many addresses send: what waits is bounded.
func TestLookupsAreBounded(t *testing.T) {
	q := idleLookups(t)
	for i := range maxLookups {
		q.fill(t, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String())
	}
	if _, err := q.join(guessKey(0, "192.0.2.1"), fresh()); err == nil || len(q.waiting) > 8*maxLookups {
		t.Errorf("%d wait, one more: %v", len(q.waiting), err)
	}
	taken := 0
	for batch := q.take(); len(batch) > 0; batch = q.take() {
		taken += len(batch)
	}
	if len(q.waiting)+len(q.sources)+len(q.turns) != 0 || taken == 0 {
		t.Errorf("%d taken, %d, %d and %d left", taken, len(q.waiting), len(q.sources), len(q.turns))
	}
}

// Those who send the same root key while it waits share its lookup. One that has left says
// nothing about a root key that was created since, and is not shared.
func TestALookupIsSharedUntilItLeaves(t *testing.T) {
	q := idleLookups(t)
	join := func(address string) *lookup {
		t.Helper()
		l, err := q.join(guessKey(1, address), fresh())
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	first := join("192.0.2.1")
	if join("192.0.2.1") != first {
		t.Error("the same was not shared")
	}
	if join("192.0.2.2") == first {
		t.Error("an address waits in another's line")
	}
	if len(q.take()) != 2 {
		t.Error("not both were taken")
	}
	if join("192.0.2.1") == first {
		t.Error("one that has left was shared")
	}
}

// One that came too late is told so, and takes nobody's place in a batch. Whoever shares a
// lookup is not late because the first one was.
func TestLateLookupsDoNotLeave(t *testing.T) {
	q := idleLookups(t)
	before := fresh() - q.shedder.queueTimeout() - 1
	q.shedder.sentAt = before // and Redis has said nothing since
	q.shedder.repliedAt.Store(before - 1)
	for n := range maxBatch {
		if _, err := q.join(guessKey(n, "192.0.2.1"), before); err != nil {
			t.Fatal(err)
		}
	}
	late, shared := q.waiting[guessKey(0, "192.0.2.1")], q.waiting[guessKey(1, "192.0.2.1")]
	if _, err := q.join(shared.lookupKey, fresh()); err != nil {
		t.Fatal(err)
	}
	if batch := q.take(); len(batch) != 1 || batch[0] != shared {
		t.Errorf("%d left", len(batch))
	}
	<-late.done
	if keys.AsError(late.err).Kind != keys.KindUnavailable {
		t.Errorf("a late one: %v", late.err)
	}
}

// Where lookups get no answer, who waits for one is answered 503 in time, and a root key
// that is in memory goes on as if nothing were.
func TestLookupsDoNotHoldUpWhoIsKnown(t *testing.T) {
	client := redistest.Shared(t).Client()
	store := store.Open(client, store.Options{Timeout: 10 * time.Second})
	ws, err := store.Workspace(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	_, root, err := store.CreateRootKey(t.Context(), ws, keys.RootDraft{Grants: []string{keys.Everything}})
	if err != nil {
		t.Fatal(err)
	}
	v := New(store, Options{Timeout: time.Second})
	if _, err := v.Authenticate(t.Context(), root, netip.Addr{}); err != nil {
		t.Fatal(err)
	}
	release := v.HoldLookups()
	defer release()
	begun := time.Now()
	_, err = v.Authenticate(t.Context(), keys.NewSecret("a guess"), netip.Addr{})
	if took := time.Since(begun); keys.AsError(err).Kind != keys.KindUnavailable || took > 2*time.Second {
		t.Errorf("a lookup without an answer: %v, after %s", err, took)
	}
	if _, err := v.Authenticate(t.Context(), root, netip.Addr{}); err != nil {
		t.Errorf("a root key that is known: %v", err)
	}
}
