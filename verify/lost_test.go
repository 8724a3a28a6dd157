package verify_test

import (
	"errors"
	"net/netip"
	"testing"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// A store that loses its data while it is used says of no key that it is not found, by
// no gateway, until it is accepted as it is.
func TestLostStoreIsUnavailable(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		w.Must(w.Mark(t.Context()))
		made := w.Create(keys.KeyDraft{})
		w.Check(verify.Request{Secret: made.Secret, Cost: verify.Free})
		other := keystest.NewGateway(c)
		w.Must(other.Mark(t.Context()))
		flush(t, c, "FLUSHALL")
		for _, g := range []keystest.Gateway{w.Gateway, other} {
			for _, secret := range []keys.Secret{made.Secret, made.Secret, keys.NewSecret("nobody has this one")} {
				o, err := g.Verify(t.Context(), &verify.Request{Secret: secret, Cost: verify.Free})
				if o != nil || !errors.Is(err, redisdb.ErrLost) || keys.AsError(err).Kind != keys.KindUnavailable {
					t.Errorf("after FLUSHALL: %+v %v", o, err)
				}
			}
			// By way of a root key too, which is looked up in a lane of its own.
			for _, r := range []*verify.Request{{Secret: made.Secret, RootKey: keys.NewSecret("no-root-key-of-anybody"), Cost: verify.Free}, {Secret: keys.NewSecret("no-root-key-of-anybody"), Root: true, Cost: verify.Free}} {
				if o, err := g.Verify(t.Context(), r); o != nil || !errors.Is(err, redisdb.ErrLost) {
					t.Errorf("a root key after FLUSHALL: %+v %v", o, err)
				}
			}
			if _, err := g.Authenticate(t.Context(), keys.NewSecret("no-root-key-of-anybody"), netip.Addr{}); !errors.Is(err, redisdb.ErrLost) {
				t.Errorf("a caller after FLUSHALL: %v", err)
			}
			if lost, err := g.Lost(t.Context()); !lost || err != nil {
				t.Errorf("not known to be lost: %v", err)
			}
			if err := g.Mark(t.Context()); !errors.Is(err, redisdb.ErrLost) {
				t.Errorf("marked anew by one that knew better: %v", err)
			}
		}
		w.Must(keystest.NewGateway(c).Accept(t.Context()))
		for _, g := range []keystest.Gateway{w.Gateway, other} {
			if o, err := g.Verify(t.Context(), &verify.Request{Secret: made.Secret, Cost: verify.Free}); err != nil || o.Code != verify.NotFound {
				t.Errorf("accepted: %+v %v", o, err)
			}
		}
		again := newWorld(t, c)
		made = again.Create(keys.KeyDraft{})
		if o, err := w.Verify(t.Context(), &verify.Request{Secret: made.Secret, Cost: verify.Free}); err != nil || o.Code != verify.Valid {
			t.Errorf("used again: %+v %v", o, err)
		}
	})
}

// flush sends a command to every master.
func flush(t *testing.T, c redis.UniversalClient, command string) {
	t.Helper()
	for _, node := range redistest.Masters(t, c) {
		if err := node.Do(t.Context(), command).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// A Cluster of which one master loses its data is known for one that has, also by a
// gateway that starts afterwards; and what the other masters have is as it was.
func TestLostMasterOfCluster(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		if _, ok := c.(*redis.ClusterClient); !ok {
			return
		}
		w := newWorld(t, c)
		w.Must(w.Mark(t.Context()))
		var all []keys.NewKey
		for range 30 {
			all = append(all, w.Create(keys.KeyDraft{}))
		}
		if err := redistest.Masters(t, c)[0].FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		fresh := keystest.NewGateway(c)
		if err := fresh.Mark(t.Context()); !errors.Is(err, redisdb.ErrLost) {
			t.Errorf("a gateway that starts now takes it for a new one: %v", err)
		}
		lost := 0
		for _, made := range all {
			for _, g := range []keystest.Gateway{w.Gateway, fresh} {
				switch o, err := g.Verify(t.Context(), &verify.Request{Secret: made.Secret, Cost: verify.Free}); {
				case errors.Is(err, redisdb.ErrLost):
					lost++
				case err != nil:
					t.Error(err)
				case o.Code != verify.Valid:
					t.Errorf("a key is %s", o.Code)
				}
			}
		}
		if lost == 0 {
			t.Error("no key was lost")
		}
	})
}

// A store that an older release has used has no markers: it gets them, also where
// somebody died in the middle of that, and nothing in it is lost.
func TestStoreWithoutMarkersAdoptsThem(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		made := w.Create(keys.KeyDraft{})
		for round := range 3 {
			for i, name := range redistest.Names(t, c, "tg:m*") {
				if round == 0 || i%2 == 0 {
					w.Must(c.Del(t.Context(), name).Err())
				} else {
					w.Must(c.Set(t.Context(), name, "0", 0).Err())
				}
			}
			g := keystest.NewGateway(c)
			if round == 1 { // at the first key that is absent, by itself
				if o, err := g.Verify(t.Context(), &verify.Request{Secret: keys.NewSecret("nobody has this one"), Cost: verify.Free}); err != nil || o.Code != verify.NotFound {
					t.Errorf("unknown: %+v %v", o, err)
				}
			}
			w.Must(g.Mark(t.Context()))
			if lost, err := g.Lost(t.Context()); lost || err != nil {
				t.Errorf("round %d: lost %t, %v", round, lost, err)
			}
			if o, err := g.Verify(t.Context(), &verify.Request{Secret: made.Secret, Cost: verify.Free}); err != nil || o.Code != verify.Valid {
				t.Errorf("round %d: %+v %v", round, o, err)
			}
			for _, name := range redistest.Names(t, c, "tg:m*") {
				if state, _ := c.Get(t.Context(), name).Result(); state != "1" {
					t.Errorf("round %d: %s is %q", round, name, state)
				}
			}
		}
	})
}
