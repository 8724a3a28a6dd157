package faults

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/verify"
)

// quick bounds the answer of a request that finds the store gone. The promise is
// 300 ms; a machine that runs other tests is allowed some more.
var quick = scale(450*time.Millisecond, 300*time.Millisecond)

// broken checks that every operation fails with KindUnavailable, quickly, and
// changes nothing. It returns the slowest answer.
func (w *world) broken(t *testing.T, g gateway, made keys.NewKey, but ...string) (slowest time.Duration) {
	t.Helper()
	asks := map[string]func() error{
		"verify": func() error { _, err := g.spend(request(t.Context()), made.Secret); return err },
		"create": func() error {
			_, err := g.CreateKey(request(t.Context()), w.Access, keys.KeyDraft{APIID: w.APIID, Name: "never", Remaining: keystest.Uses(1)})
			return err
		},
		"update": func() error {
			return g.UpdateKey(request(t.Context()), w.Access, made.ID, keys.KeyPatch{Name: keys.To("never")})
		},
		"credits": func() error {
			_, _, err := g.UpdateCredits(request(t.Context()), w.Access, made.ID, store.IncrementCredits, keystest.Uses(1))
			return err
		},
		"delete": func() error { return g.DeleteKey(request(t.Context()), w.Access, made.ID, false) },
	}
	for name, ask := range asks {
		for range 3 {
			if slices.Contains(but, name) {
				continue
			}
			begun := time.Now()
			err := ask()
			took := time.Since(begun)
			if err == nil || !unavailable(err) {
				t.Errorf("%s: %v, want unavailable", name, err)
			}
			slowest = max(slowest, took)
		}
	}
	if slowest > quick {
		t.Errorf("an answer took %s", slowest)
	}
	return slowest
}

// whole checks that nothing that was refused left a trace, and that all works again.
func (w *world) whole(t *testing.T, g gateway, made keys.NewKey, balance int64) {
	t.Helper()
	heals(t, g, made.Secret)
	d, err := w.Key(t.Context(), w.Access, made.ID, false)
	w.Must(err)
	if d.Key.Name != "" || d.State.Balance != balance-1 || d.State.Windows[0].Current != 1 {
		t.Errorf("something was written: name %q, balance %d of %d, %d counted", d.Key.Name, d.State.Balance, balance, d.State.Windows[0].Current)
	}
	page, err := w.Keys(t.Context(), w.Access, store.KeyQuery{APIID: w.APIID, Limit: 100})
	w.Must(err)
	for _, found := range page.Keys {
		if found.Key.Name == "never" {
			t.Error("a key that was refused is listed")
		}
	}
}

// heals waits until a verification is VALID and gives how long that took.
func heals(t *testing.T, g gateway, secret keys.Secret) time.Duration {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		code, err := g.spend(t.Context(), secret)
		if err == nil && code == verify.Valid {
			return time.Since(begun)
		}
		if time.Since(begun) > 10*time.Second {
			t.Fatalf("does not heal: %s %v", code, err)
		}
	}
}

func refusable(w *world) keys.NewKey {
	return w.Create(keys.KeyDraft{Remaining: keystest.Uses(50), Limits: limitsOf(ever("l", 50))})
}

// A Redis that is full, has become a replica, wants another password or is loading is
// a clear failure that writes nothing, and is over when its cause is.
func TestRefusingRedis(t *testing.T) {
	t.Run("full", func(t *testing.T) {
		server := redistest.Start(t, redistest.WithConfig("maxmemory-policy noeviction"))
		w := newWorld(t, server.Client())
		g, made, other := brisk(t, server), refusable(w), refusable(w)
		server.Do("CONFIG", "SET", "maxmemory", "1")
		slowest := w.broken(t, g, made, "delete", "credits")
		w.Must(g.DeleteKey(t.Context(), w.Access, other.ID, false)) // what takes no memory is allowed
		server.Do("CONFIG", "SET", "maxmemory", "0")
		w.whole(t, g, made, 50)
		row(t, "Redis full, noeviction", "slowest 503 %s, nothing written, healed", slowest.Round(time.Millisecond))
	})
	t.Run("replica", func(t *testing.T) {
		master, server := redistest.Start(t), redistest.Start(t)
		w := newWorld(t, server.Client())
		g, made := brisk(t, server), refusable(w)
		server.Do("CONFIG", "SET", "min-replicas-to-write", "1") // writes are refused as by a replica: NOREPLICAS
		slowest := w.broken(t, g, made)
		server.Do("CONFIG", "SET", "min-replicas-to-write", "0")
		w.whole(t, g, made, 50)
		row(t, "Redis without the replicas it wants", "slowest 503 %s, nothing written, healed", slowest.Round(time.Millisecond))

		host, port, _ := strings.Cut(server.Addr(), ":")
		master.Do("REPLICAOF", host, port)
		copied(t, master, server)
		g, made = brisk(t, master), refusable(newWorld(t, server.Client()))
		copied(t, master, server)
		readOnly(t, w, g, master, made)
	})
	t.Run("password", func(t *testing.T) {
		server := redistest.Start(t, redistest.WithPassword("right"))
		w := newWorld(t, server.Client())
		made := refusable(w)
		g := dial(t, strings.Replace(server.URL(), "right", "wrong", 1))
		slowest := w.broken(t, g, made)
		server.Do("CONFIG", "SET", "requirepass", "wrong")
		w.whole(t, g, made, 50)
		row(t, "wrong password", "slowest 503 %s, nothing written, healed", slowest.Round(time.Millisecond))
	})
	t.Run("loading", loading)
}

// readOnly has a gateway talk to a replica, until that is promoted.
func readOnly(t *testing.T, w *world, g gateway, server *redistest.Server, made keys.NewKey) {
	t.Helper()
	slowest := w.broken(t, g, made)
	server.Do("REPLICAOF", "NO", "ONE")
	heals(t, g, made.Secret)
	row(t, "read-only replica", "slowest 503 %s, healed when promoted", slowest.Round(time.Millisecond))
}

// copied waits until a replica has what its master has.
func copied(t *testing.T, replica, master *redistest.Server) {
	t.Helper()
	master.Do("SET", "mark", time.Now().String())
	want := master.Do("GET", "mark")
	for begun := time.Now(); replica.Do("GET", "mark") != want; time.Sleep(5 * time.Millisecond) {
		if time.Since(begun) > 10*time.Second {
			t.Fatal("the replica does not follow")
		}
	}
}

// loading restarts a Redis that takes a second to read its file.
func loading(t *testing.T) {
	server := redistest.Start(t, redistest.WithConfig("key-load-delay 500", "loading-process-events-interval-bytes 1024"))
	w := newWorld(t, server.Client())
	g, made := brisk(t, server), refusable(w)
	heals(t, g, made.Secret)
	server.Do("EVAL", "for i = 1, 2000 do redis.call('SET', 'x' .. i, string.rep('x', 100)) end", 0)
	server.Do("SAVE")
	up := make(chan struct{})
	go func() { defer close(up); server.Restart() }()
	sawLoading, slowest := 0, time.Duration(0)
	for begun := time.Now(); time.Since(begun) < 20*time.Second; {
		began := time.Now()
		_, err := g.spend(context.Background(), made.Secret)
		slowest = max(slowest, time.Since(began))
		if err == nil && sawLoading > 0 {
			break
		}
		if err != nil && strings.Contains(err.Error(), "LOADING") {
			sawLoading++
		}
		if err != nil && !unavailable(err) {
			t.Error(err)
		}
	}
	<-up
	row(t, "Redis loading its file", "%d answered 503 while LOADING, slowest %s, healed", sawLoading, slowest.Round(time.Millisecond))
	if sawLoading == 0 || slowest > quick {
		t.Error("LOADING was not seen, or answered too slowly")
	}
	heals(t, g, made.Secret)
}

// Scripts that are flushed all the time are sent again, and no caller notices.
func TestScriptFlush(t *testing.T) {
	server := redistest.Start(t)
	w := newWorld(t, server.Client())
	gateways := []gateway{brisk(t, server), brisk(t, server)}
	all := w.tallies(4, keys.KeyDraft{Remaining: keystest.Uses(1 << 40)})
	over := make(chan struct{})
	flushes := 0
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-over:
				return
			case <-time.After(10 * time.Millisecond):
				server.Do("SCRIPT", "FLUSH")
				flushes++
			}
		}
	}()
	storm(t, gateways, all, scale(20_000, 300_000), 32)
	for range 50 {
		w.Create(keys.KeyDraft{Remaining: keystest.Uses(1)})
	}
	close(over)
	<-stopped
	sent, valid, unknown, doubly, free := w.account(all)
	row(t, "SCRIPT FLUSH every 10 ms", "%d flushes, %d sent, %d VALID: %d errors, %d spent twice", flushes, sent, valid, unknown, doubly)
	if unknown+doubly+free > 0 || valid != sent || flushes == 0 {
		t.Error("a flush was noticed")
	}
}
