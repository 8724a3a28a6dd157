package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"tollgate/cmd/tollgate/metrics"
	"tollgate/keys"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/verify"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// watching returns a store on a URL, with its watch, and what that logs.
func watching(t *testing.T, url string) (*store.Store, *watch, *bytes.Buffer) {
	t.Helper()
	client, err := redisdb.Dial(url, redisdb.Options{NoDurableWrites: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	store := store.Open(client, store.Options{})
	if err := store.Mark(t.Context()); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	w := newWatch(store, true, slog.New(slog.NewTextHandler(&said, nil)))
	w.findings = metrics.New(findingNames).Findings
	w.look(t.Context())
	return store, w, &said
}

// gauge is the metric of a finding.
func (w *watch) gauge(name string) float64 {
	return testutil.ToFloat64(w.findings.WithLabelValues(name))
}

// answers verifies a key that nobody has, and asks whether the store is ready.
func answers(t *testing.T, store *store.Store) (error, error) {
	t.Helper()
	v := verify.New(store, verify.Options{})
	_, err := v.Verify(t.Context(), &verify.Request{Secret: keys.NewSecret("nobody has this one"), Cost: verify.Free})
	return err, store.Ping(t.Context())
}

// What the start refuses is refused while the program runs: every answer is 503 and the
// store is not ready, which is logged as an error and counted, until it is fit again.
func TestWatchRefusesWhatTheStartRefuses(t *testing.T) {
	cluster := redistest.Cluster(t, 3, 0)
	single := redistest.Start(t)
	for _, row := range []struct {
		kind, url string
		of        *redistest.Server
	}{{"redis", single.URL(), single}, {"cluster", cluster.URL(), cluster.Nodes[1]}} {
		t.Run(row.kind, func(t *testing.T) {
			store, w, said := watching(t, row.url)
			if err, ready := answers(t, store); err != nil || ready != nil || strings.Contains(said.String(), "ERROR") {
				t.Fatalf("fit: %v, %v, said %s", err, ready, said)
			}
			row.of.Do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
			for range 3 {
				w.look(t.Context())
			}
			var unfit *redisdb.UnfitError
			err, ready := answers(t, store)
			if !errors.As(err, &unfit) || keys.AsError(err).Kind != keys.KindUnavailable || !errors.As(ready, &unfit) {
				t.Errorf("unfit: %v, %v", err, ready)
			}
			if n := strings.Count(said.String(), "level=ERROR"); n != 1 || !strings.Contains(said.String(), "allkeys-lru") || w.gauge("maxmemory-policy") != 2 {
				t.Errorf("%d errors, gauge %v, said %s", n, w.gauge("maxmemory-policy"), said)
			}
			row.of.Do("CONFIG", "SET", "maxmemory-policy", "noeviction")
			w.look(t.Context())
			if err, ready := answers(t, store); err != nil || ready != nil || !strings.Contains(said.String(), "fit again") || w.gauge("maxmemory-policy") != 0 {
				t.Errorf("fit again: %v, %v, said %s", err, ready, said)
			}
		})
	}
}

// A store that loses its data while the program runs is refused, until it is accepted
// from elsewhere.
func TestWatchRefusesLostStore(t *testing.T) {
	cluster := redistest.Cluster(t, 3, 0)
	single := redistest.Start(t)
	for _, row := range []struct {
		kind, url string
		of        *redistest.Server
	}{{"redis", single.URL(), single}, {"cluster", cluster.URL(), cluster.Nodes[1]}} {
		t.Run(row.kind, func(t *testing.T) {
			store, w, said := watching(t, row.url)
			row.of.Do("FLUSHALL")
			w.look(t.Context())
			err, ready := answers(t, store)
			if !errors.Is(err, redisdb.ErrLost) || !errors.Is(ready, redisdb.ErrLost) || w.gauge("lost-data") != 2 || !strings.Contains(said.String(), "level=ERROR msg=\"the store has lost its data") {
				t.Errorf("lost: %v, %v, gauge %v, said %s", err, ready, w.gauge("lost-data"), said)
			}
			accept := []string{"store", "accept", "--redis", row.url}
			if status := run(accept); status != 2 {
				t.Errorf("accepted without a terminal and --yes: status %d", status)
			}
			if status := run(append(accept, "--yes")); status != 0 {
				t.Errorf("not accepted: status %d", status)
			}
			w.look(t.Context())
			if status := run(accept); status != 0 {
				t.Errorf("accepted again: status %d", status)
			}
			if err, ready := answers(t, store); err != nil || ready != nil {
				t.Errorf("accepted: %v, %v", err, ready)
			}
		})
	}
}

// A server that takes another one's place brings its own settings: they are looked at
// because a connection was made, long before it is time.
func TestWatchLooksAtEachConnection(t *testing.T) {
	server := redistest.Start(t)
	store, w, _ := watching(t, server.URL())
	go w.run(t.Context())
	await := func(what string, ok func() bool) time.Duration {
		began := time.Now()
		for !ok() {
			if time.Since(began) > 10*time.Second {
				t.Fatal("waited for " + what)
			}
			time.Sleep(10 * time.Millisecond)
		}
		return time.Since(began)
	}
	await("a look", func() bool { time.Sleep(2 * watchPause); return store.Ping(t.Context()) == nil })
	server.Do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	server.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	if took := await("the look", func() bool { return store.Ping(t.Context()) != nil && w.gauge("maxmemory-policy") == 2 }); took > watchEvery-watchPause {
		t.Errorf("looked at after %s", took)
	}
}

// The rules, as far as no server of the test has such settings: Redis 8 with io-threads
// answers before it writes.
func TestFindings(t *testing.T) {
	base := settings{"maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "everysec", "min-replicas-max-lag": "10"}
	with := func(more ...string) settings {
		s := settings{}
		for name, value := range base {
			s[name] = value
		}
		for i := 0; i < len(more); i += 2 {
			s[more[i]] = more[i+1]
		}
		return s
	}
	for name, row := range map[string]struct {
		s      settings
		alarms bool
	}{
		"Redis 7":      {with("redis_version", "7.4.1", "io-threads", "4"), false},
		"one thread":   {with("redis_version", "8.0.0", "io-threads", "1"), false},
		"Redis 8":      {with("redis_version", "8.0.0", "io-threads", "4"), true},
		"Redis 10":     {with("redis_version", "10.2.0", "io-threads", "2"), true},
		"waits":        {with("redis_version", "8.0.0", "io-threads", "4", "appendfsync", "always"), false},
		"keeps no AOF": {with("redis_version", "8.0.0", "io-threads", "4", "appendonly", "no"), false},
		"Valkey 9":     {with("redis_version", "7.2.4", "valkey_version", "9.0.0", "io-threads", "4"), false},
	} {
		f := threads(row.s, true)
		if (f != nil) != row.alarms || f != nil && f.level != alarming {
			t.Errorf("%s: %+v", name, f)
		}
	}
	var said bytes.Buffer
	w := newWatch(store.Open(redistest.Client(t, redistest.Mini(t).Addr()), store.Options{}), true, slog.New(slog.NewTextHandler(&said, nil)))
	w.findings = metrics.New(findingNames).Findings
	alarm := *threads(with("redis_version", "8.0.0", "io-threads", "4"), true)
	for range 3 {
		w.conclude([]finding{alarm})
	}
	if n := strings.Count(said.String(), "level=ERROR"); n != 1 || w.gauge("io-threads") != 1 || w.unfit {
		t.Errorf("io-threads while running: %d errors, gauge %v, unfit %t", n, w.gauge("io-threads"), w.unfit)
	}
}
