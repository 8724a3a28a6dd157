package verify_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// coldGateway is a verifier that knows nothing yet, on a world's Redis behind a link, and what
// it sends there.
func coldGateway(t *testing.T, latency time.Duration) (*world, *verify.Verifier, *redistest.Trips) {
	t.Helper()
	server := redistest.Start(t)
	w := newWorld(t, server.Client())
	link := redistest.Proxy(t, server.Addr())
	link.SetLatency(latency)
	client := redis.NewClient(&redis.Options{Addr: link.Addr(), MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	return w, verify.New(store.Open(client, store.Options{Timeout: 10 * time.Second}), verify.Options{Timeout: 10 * time.Second}), redistest.CountTrips(client)
}

// burst verifies with each request at the same time, and wants each to be valid.
func burst(t *testing.T, v *verify.Verifier, requests []verify.Request) {
	t.Helper()
	var group sync.WaitGroup
	for i := range requests {
		group.Go(func() {
			if o, err := v.Verify(t.Context(), &requests[i]); err != nil || o.Code != verify.Valid {
				t.Errorf("%v, %v", o, err)
			}
		})
	}
	group.Wait()
}

// However many ask for one key that a gateway has not met, it and what it refers to travel
// once each; then come the verifications.
func TestColdReadsTravelOnce(t *testing.T) {
	w, cold, trips := coldGateway(t, 20*time.Millisecond)
	_, by := w.root(keys.RootDraft{Grants: []string{keys.Everything}})
	key := w.Create(keys.KeyDraft{ExternalID: "somebody", Permissions: keys.Named([]string{"read"}, catalog.CreateFreely)})
	requests := make([]verify.Request, 300)
	for i := range requests {
		requests[i] = verify.Request{Secret: key.Secret, RootKey: by, Cost: 1}
	}
	burst(t, cold, requests)
	if n := trips.Take(); n > 30 { // four are reads, five at least verify, the first of them with few in each
		t.Errorf("%d round trips", n)
	}
}

// Keys that are met together are read together, and so is what they refer to.
func TestColdBurstIsFewCalls(t *testing.T) {
	w, cold, trips := coldGateway(t, 20*time.Millisecond)
	requests := make([]verify.Request, 300)
	for i := range requests {
		requests[i] = verify.Request{Secret: w.Create(keys.KeyDraft{ExternalID: fmt.Sprint("user", i)}).Secret, Cost: 1}
	}
	burst(t, cold, requests)
	if n := trips.Take(); n > 40 { // 300 keys are read by five calls at least, as many identities, and verified by as many
		t.Errorf("%d round trips", n)
	}
}

// What is told while a key is being read is not older than the question: a key that is
// made while the answer that it is absent is on its way is found by who asks then.
func TestColdAbsenceIsNotShared(t *testing.T) {
	w, cold, _ := coldGateway(t, 300*time.Millisecond)
	ask := func(secret string) (*verify.Outcome, error) {
		return cold.Verify(context.Background(), &verify.Request{Secret: keys.NewSecret(secret), Root: true, Cost: 1})
	}
	_, _ = ask("another, so that there is a connection")
	const secret = "a-secret-that-is-nobodys-yet"
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = ask(secret)
	}()
	time.Sleep(100 * time.Millisecond) // Redis has answered, and the answer is under way
	_, _ = w.root(keys.RootDraft{Secret: keys.NewSecret(secret), Grants: []string{keys.Everything}})
	if o, err := ask(secret); err != nil || o.Code != verify.Valid {
		t.Errorf("%v, %v", o, err)
	}
	<-ended
}
