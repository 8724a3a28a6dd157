package faults

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/verify"
)

// creations are the keys whose creation was acknowledged.
type creations struct {
	mu  sync.Mutex
	all []keys.NewKey
}

// create makes keys until over, and remembers those it was told of.
func (c *creations) create(tb testing.TB, w *world, g gateway, over *atomic.Bool) {
	for !over.Load() {
		made, err := g.CreateKey(tb.Context(), w.Access, keys.KeyDraft{APIID: w.APIID, Remaining: keystest.Uses(1000)})
		switch {
		case err == nil:
			c.mu.Lock()
			c.all = append(c.all, made)
			c.mu.Unlock()
		case !unavailable(err):
			tb.Error(err)
			return
		default:
			time.Sleep(time.Millisecond)
		}
	}
}

// load creates keys and spends of others until stopped.
func load(tb testing.TB, w *world, g gateway, all []*tally) (c *creations, stop func()) {
	var over atomic.Bool
	var group sync.WaitGroup
	c = &creations{}
	for range 4 {
		group.Go(func() { c.create(tb, w, g, &over) })
	}
	for range 4 {
		group.Go(func() {
			for !over.Load() {
				storm(tb, []gateway{g}, all, 16, 1)
				time.Sleep(time.Millisecond)
			}
		})
	}
	return c, func() { over.Store(true); group.Wait() }
}

// missing tells how many of the keys do not verify.
func (c *creations) missing(tb testing.TB, w *world) (lost int) {
	for _, made := range c.all {
		code, err := w.spend(tb.Context(), made.Secret)
		for n := 0; err != nil && n < 100; n++ { // a busy machine's timeouts
			code, err = w.spend(tb.Context(), made.Secret)
		}
		if err != nil || code != verify.Valid {
			lost++
		}
	}
	return lost
}

// What was acknowledged is kept when Redis is killed, if it keeps an append-only file;
// and gateways work again as soon as Redis does. With everysec it is killed while an
// fsync is under way as well, when Redis acknowledges first and writes later.
func TestRedisKilled(t *testing.T) {
	t.Run("always", func(t *testing.T) { killed(t, "always", scale(1, 10)) })
	t.Run("everysec", func(t *testing.T) { killed(t, "everysec", scale(4, 50)) })
	t.Run("no", func(t *testing.T) { killed(t, "no", scale(1, 50)) })
}

// The test above can fail: a client that does not wait until Redis has written loses what
// was acknowledged.
func TestRedisKilledForgets(t *testing.T) {
	server := redistest.Start(t, redistest.WithAOF("everysec"))
	w := newWorld(t, server.Client())
	client, err := redisdb.Dial(server.URL(), redisdb.Options{NoDurableWrites: true})
	w.Must(err)
	t.Cleanup(func() { _ = client.Close() })
	all := w.tallies(4, keys.KeyDraft{Remaining: keystest.Uses(1 << 40)})
	made, stop := load(t, w, newGateway(client), all)
	killHeld(t, server)
	stop()
	server.Restart()
	heals(t, gateway{w.Gateway}, w.Create(keys.KeyDraft{}).Secret)
	_, valid, _, _, free := w.account(all)
	lost := made.missing(t, w)
	row(t, "the same, not waiting for the file", "1 kill, %d creates and %d spends acknowledged: %d creates and %d spends lost", len(made.all), valid, lost, free)
	if lost == 0 || free == 0 {
		t.Error("nothing was lost: the kit does not break the promise")
	}
}

// killHeld kills the server when it has acknowledged for a while without writing.
func killHeld(t *testing.T, server *redistest.Server) {
	t.Helper()
	release := server.HoldFsync()
	time.Sleep(time.Duration(20+rand.IntN(200)) * time.Millisecond)
	server.KillHeld(release)
}

func killed(t *testing.T, fsync string, kills int) {
	server := redistest.Start(t, redistest.WithAOF(fsync))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%v\n%v\n%v\n%v keys", server.Do("INFO", "persistence"), server.Do("INFO", "replication"), server.Do("INFO", "commandstats"), server.Do("DBSIZE"))
		}
	})
	w := newWorld(t, server.Client())
	g := brisk(t, server)
	all := w.tallies(4, keys.KeyDraft{Remaining: keystest.Uses(1 << 40)})
	slowest := time.Duration(0)
	made, stop := load(t, w, g, all)
	for n := range kills {
		if fsync == "everysec" && n%2 == 1 {
			killHeld(t, server)
		} else {
			time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
			server.Kill()
		}
		time.Sleep(20 * time.Millisecond)
		server.Restart()
		slowest = max(slowest, heals(t, g, all[0].key.Secret))
		all[0].sent.Add(1)
		all[0].valid.Add(1) // the one that showed that it has healed
	}
	stop()
	heals(t, gateway{w.Gateway}, w.Create(keys.KeyDraft{}).Secret)
	sent, valid, unknown, doubly, free := w.account(all)
	lost := made.missing(t, w)
	row(t, "Redis kill -9 under load, appendfsync "+fsync, "%d kills, %d creates and %d spends acknowledged (%d unknown): %d creates and %d spends lost, %d spent twice, first success after %s",
		kills, len(made.all), valid, unknown, lost, free, doubly, slowest.Round(time.Millisecond))
	if lost > 0 || free > 0 || doubly > 0 || slowest > 2*time.Second || sent == 0 || len(made.all) == 0 {
		t.Error("something acknowledged was lost, or it took too long to heal")
	}
}
