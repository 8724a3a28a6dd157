package verify_test

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

var errGuess = errors.New("that was a guess")

// guarded is a gateway that counts the root keys that the store proved unknown, and
// answers them with errGuess.
func guarded(c redis.UniversalClient, timeout time.Duration, guesses *atomic.Int64) keystest.Gateway {
	store := store.Open(c, store.Options{Timeout: 10 * time.Second})
	return keystest.Gateway{Store: store, Verifier: verify.New(store, verify.Options{Timeout: timeout, UnknownRootKey: func(netip.Addr) error {
		guesses.Add(1)
		return errGuess
	}})}
}

// Whatever else was sent from an address: a root key that is valid is found there, by a
// process that has just started and a root key that was just created alike. Only what the
// store has not is told to the guard, once each.
func TestValidRootKeyAmongGuesses(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		made := w.Create(keys.KeyDraft{Remaining: keystest.Uses(100)})
		_, minted := w.root(keys.RootDraft{Grants: []string{keys.Everything}})
		address := netip.MustParseAddr("192.0.2.1")
		var guesses atomic.Int64
		for range 2 {
			w.Gateway = guarded(c, 10*time.Second, &guesses)
			for n := range 110 {
				unknown := keys.NewSecret(fmt.Sprint("unknown ", n))
				var err error
				if n%2 == 0 {
					_, err = w.Authenticate(t.Context(), unknown, address)
				} else {
					_, err = w.Verify(t.Context(), &verify.Request{RootKey: unknown, Secret: made.Secret, Source: address, Cost: verify.Free})
				}
				if !errors.Is(err, errGuess) {
					t.Fatalf("guess %d: %v", n, err)
				}
			}
			_, fresh := w.root(keys.RootDraft{Grants: []string{keys.Everything}})
			for _, by := range []keys.Secret{minted, fresh} {
				w.code(verify.Valid, verify.Request{RootKey: by, Secret: made.Secret, Cost: 1, Source: address})
				if _, err := w.Authenticate(t.Context(), by, address); err != nil {
					t.Errorf("a valid root key: %v", err)
				}
			}
		}
		if n := guesses.Load(); n != 220 {
			t.Errorf("%d guesses were told of 220", n)
		}
	})
}

// While guesses come as fast as they can from one address, a root key that was just created
// is found from another at once, and the uses of keys go on. Those from the flooding address
// itself are found, or answered 503, and never called guesses.
func TestConcurrentFloodOfGuesses(t *testing.T) {
	client := redistest.Shared(t).Client()
	w := newWorld(t, client)
	var guesses atomic.Int64
	w.Gateway = guarded(client, 2*time.Second, &guesses)
	made := w.Create(keys.KeyDraft{Remaining: keystest.Uses(1_000_000)})
	flooded, quiet := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	var stop atomic.Bool
	var flood sync.WaitGroup
	for i := range 256 {
		flood.Go(func() {
			for n := 0; !stop.Load(); n++ {
				_, err := w.Authenticate(t.Context(), keys.NewSecret(fmt.Sprint("guess ", i, n)), flooded)
				if !errors.Is(err, errGuess) && keys.AsError(err).Kind != keys.KindUnavailable {
					t.Errorf("a guess: %v", err)
				}
			}
		})
	}
	found := 0
	for n := range 60 {
		_, by := w.root(keys.RootDraft{Grants: []string{keys.Everything}})
		if n%3 > 0 {
			w.code(verify.Valid, verify.Request{RootKey: by, Secret: made.Secret, Cost: 1, Source: quiet})
			continue
		}
		o, err := w.Verify(t.Context(), &verify.Request{RootKey: by, Secret: made.Secret, Cost: 1, Source: flooded})
		switch {
		case err == nil && o.Code == verify.Valid:
			found++
		case err == nil || keys.AsError(err).Kind != keys.KindUnavailable:
			t.Errorf("a valid root key from the flooding address: %+v, %v", o, err)
		}
	}
	stop.Store(true)
	flood.Wait()
	if left, want := w.Left(made.ID).Balance, int64(1_000_000-40-found); left != want || guesses.Load() < 1000 {
		t.Errorf("%d uses left, want %d; %d guesses", left, want, guesses.Load())
	}
}

// A root key that this process knows and that changed is not one that it has not met: it is
// read again beside the queue of those, which is full of guesses here.
func TestChangedRootKeyDoesNotWaitAmongGuesses(t *testing.T) {
	client := redistest.Shared(t).Client()
	w := newWorld(t, client)
	made := w.Create(keys.KeyDraft{Remaining: keystest.Uses(10)})
	_, by := w.root(keys.RootDraft{Grants: []string{keys.Everything}})
	ask := verify.Request{RootKey: by, Secret: made.Secret, Cost: 1}
	w.code(verify.Valid, ask)
	release := w.HoldLookups()
	defer release()
	record, _ := layout.RecordName(by.Digest())
	prefix, err := client.GetRange(t.Context(), record, 0, 7).Result()
	w.Must(err)
	w.Must(client.SetRange(t.Context(), record, 7, string([]byte{prefix[7] + 1})).Err()) // its revision
	w.code(verify.Valid, ask)
}
