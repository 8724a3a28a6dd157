package verify_test

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/ratelimit"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// rerolled rerolls a key some times with a grace period and gives all its secrets.
func (w *world) rerolled(made keys.NewKey, times int) []keys.NewKey {
	w.TB.Helper()
	all := []keys.NewKey{made}
	for range times {
		next, err := w.RerollKey(w.TB.Context(), w.Access, all[len(all)-1].ID, store.Reroll{Grace: 3600_000})
		w.Must(err)
		all = append(all, next)
	}
	return all
}

// However often a key is rerolled with a grace period, and whichever of its secrets spend on
// however many gateways meanwhile, it has the uses that it had, and the room in each limit.
func TestRerollGivesNoMoreUses(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		gateways := []keystest.Gateway{w.Gateway, keystest.NewGateway(c), keystest.NewGateway(c)}
		owner, err := w.CreateIdentity(t.Context(), w.Access, keys.IdentityDraft{ExternalID: "owner", Limits: []ratelimit.Limit{limit("shared", 10)}})
		w.Must(err)
		for name, row := range map[string]struct {
			d    keys.KeyDraft
			asks []verify.LimitRequest
		}{
			"balance":          {d: keys.KeyDraft{Remaining: keystest.Uses(10)}},
			"limit":            {d: keys.KeyDraft{Limits: []ratelimit.Limit{limit("l", 10)}}},
			"limit of a call":  {asks: []verify.LimitRequest{{Name: "own", Cost: 1, Own: true, Limit: 10, Duration: 24 * 3600_000}}},
			"identity's limit": {d: keys.KeyDraft{ExternalID: owner.ExternalID}},
		} {
			made := w.Create(row.d)
			var mu sync.Mutex
			secrets := []keys.Secret{made.Secret}
			var valid, calls atomic.Int64
			var all sync.WaitGroup
			for i := range 8 {
				all.Go(func() {
					for calls.Add(1) < 400 || valid.Load() < 10 && calls.Load() < 4000 {
						mu.Lock()
						secret := secrets[int(calls.Load())%len(secrets)]
						mu.Unlock()
						o, err := gateways[i%len(gateways)].Verify(context.Background(), &verify.Request{Secret: secret, Cost: 1, Limits: row.asks})
						switch {
						case err != nil:
							t.Error(err)
							return
						case o.Code == verify.Valid:
							valid.Add(1)
						case o.Code != verify.UsageExceeded && o.Code != verify.RateLimited:
							t.Errorf("%s: %s", name, o.Code)
							return
						}
					}
				})
			}
			last := made
			for range 4 {
				next, err := w.RerollKey(t.Context(), w.Access, last.ID, store.Reroll{Grace: 3600_000})
				w.Must(err)
				mu.Lock()
				secrets, last = append(secrets, next.Secret), next
				mu.Unlock()
			}
			all.Wait()
			for _, secret := range secrets {
				if o := w.Check(verify.Request{Secret: secret, Cost: 1, Limits: row.asks}); o.Code == verify.Valid {
					valid.Add(1)
				}
			}
			if valid.Load() != 10 {
				t.Errorf("%s: %d uses of 10", name, valid.Load())
			}
		}
	})
}

// Each secret of a rerolled key is told by its own id, and what is left is the key's.
func TestRerolledKeyIsOneKey(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		all := w.rerolled(w.Create(keys.KeyDraft{Remaining: keystest.Uses(100), Name: "n"}), 3)
		for i, one := range all {
			o := w.Check(verify.Request{Secret: one.Secret, Cost: 1})
			if o.Code != verify.Valid || o.Key.ID != one.ID || o.Key.Name != "n" || *o.Remaining != int64(99-i) {
				t.Errorf("secret %d: %s %+v, %d left", i, o.Code, o.Key, *o.Remaining)
			}
			if left := w.Left(one.ID).Balance; left != int64(99-i) {
				t.Errorf("secret %d: read as %d left", i, left)
			}
			if ends := o.Key.Expires != 0; ends != (i < 3) {
				t.Errorf("secret %d: ends at %d", i, o.Key.Expires)
			}
		}
	})
}

// calls counts the calls to the store.
type calls struct{ n atomic.Int64 }

func (c *calls) Verified(*verify.Request, *verify.Outcome, error) {}

func (c *calls) CountersRefused() {}

func (c *calls) Limited(error) {}

func (c *calls) Sent(int, time.Duration, error) { c.n.Add(1) }

// A verification by any secret of a rerolled key is one call once its gateway knows it, and
// three at most before; also after the key was changed one call more tells.
func TestRerolledKeyTakesOneCall(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		all := w.rerolled(w.Create(keys.KeyDraft{Remaining: keystest.Uses(100)}), 2)
		for i, one := range all {
			sent := &calls{}
			v := verify.New(store.Open(c, store.Options{Timeout: 10 * time.Second}), verify.Options{Timeout: 10 * time.Second, Observer: sent})
			for step, most := range []int64{3, 1, 1} {
				before := sent.n.Load()
				if o, err := v.Verify(t.Context(), &verify.Request{Secret: one.Secret, Cost: 1}); err != nil || o.Code != verify.Valid {
					t.Fatal(o, err)
				}
				if n := sent.n.Load() - before; n > most {
					t.Errorf("secret %d, verification %d: %d calls, want %d", i, step, n, most)
				}
			}
			w.Must(w.UpdateKey(t.Context(), w.Access, all[0].ID, keys.KeyPatch{Name: keys.To("changed")}))
			before := sent.n.Load()
			if o, err := v.Verify(t.Context(), &verify.Request{Secret: one.Secret, Cost: 1}); err != nil || o.Key.Name != "changed" || sent.n.Load()-before != 2 {
				t.Errorf("secret %d after a change: %+v, %v, %d calls", i, o, err, sent.n.Load()-before)
			}
		}
	})
}

// A gateway that remembers where a secret's record was does not go by that when the key was
// deleted and the secret is another key's by now, nor when that is deleted as well.
func TestDeletedSecretIsImported(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w, other := newWorld(t, c), keystest.NewGateway(c)
		expect := func(step string, secret keys.Secret, want verify.Code, id string) {
			t.Helper()
			for _, g := range []keystest.Gateway{w.Gateway, other} {
				o, err := g.Verify(t.Context(), &verify.Request{Secret: secret, Cost: 1})
				w.Must(err)
				if o.Code != want || id != "" && o.Key.ID != id {
					t.Errorf("%s: %s %+v, want %s %s", step, o.Code, o.Key, want, id)
				}
			}
		}
		for _, whole := range []bool{true, false} {
			all := w.rerolled(w.Create(keys.KeyDraft{}), 2)
			for _, one := range all {
				expect("rerolled", one.Secret, verify.Valid, one.ID)
			}
			gone := all[1]
			if whole {
				gone = all[2]
			}
			w.Must(w.DeleteKey(t.Context(), w.Access, gone.ID, true))
			expect("deleted", gone.Secret, verify.NotFound, "")
			if !whole {
				expect("another one", all[2].Secret, verify.Valid, all[2].ID)
			}
			ids, err := w.ImportKeys(t.Context(), w.Access, []keys.ImportDraft{{KeyDraft: keys.KeyDraft{APIID: w.APIID}, Secret: gone.Secret}})
			w.Must(err)
			expect("imported", gone.Secret, verify.Valid, ids[0])
			w.Must(w.DeleteKey(t.Context(), w.Access, ids[0], true))
			expect("deleted again", gone.Secret, verify.NotFound, "")
		}
	})
}

// Each secret of a rerolled key is refused as a root key, like another key.
func TestRerolledSecretIsNoRootKey(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		for i, one := range w.rerolled(w.Create(keys.KeyDraft{}), 2) {
			for range 2 {
				if _, err := w.Authenticate(t.Context(), one.Secret, netip.Addr{}); err == nil || keys.AsError(err).Kind != keys.KindNotRootKey {
					t.Errorf("secret %d: %v", i, err)
				}
			}
		}
	})
}

// Whoever asks with all secrets of a key at the same time, on a gateway that knows none of
// them, is answered.
func TestColdSecretsOfOneKeyTogether(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		all := w.rerolled(w.Create(keys.KeyDraft{Remaining: keystest.Uses(1000)}), keys.MaxSecrets-1)
		for range 5 {
			g := keystest.NewGateway(c)
			var asking sync.WaitGroup
			for i := range 10 * len(all) {
				asking.Go(func() {
					one := all[i%len(all)]
					if o, err := g.Verify(context.Background(), &verify.Request{Secret: one.Secret, Cost: 1}); err != nil || o.Code != verify.Valid || o.Key.ID != one.ID {
						t.Errorf("%+v %v", o, err)
					}
				})
			}
			asking.Wait()
		}
	})
}
