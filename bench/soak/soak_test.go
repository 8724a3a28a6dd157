// Package soak is load that goes on and must leave nothing behind: no goroutine, no
// memory, nothing in Redis but what the program says it keeps, and no use that is not
// accounted for.
//
//	go test ./bench/soak                         some seconds, as in CI
//	TOLLGATE_SOAK=8h make soak                   a night
package soak

import (
	"context"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/ratelimit"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// patience is how long anything waits for Redis: what a busy machine needs is not looked for.
const patience = 5 * time.Second

// during is how long the load goes on.
func during(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("TOLLGATE_SOAK")
	switch {
	case text == "" && os.Getenv("TOLLGATE_FULL") == "1":
		return time.Hour
	case text == "":
		return 3 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("TOLLGATE_SOAK: %v", err)
	}
	return d
}

// life is one caller's: it makes keys, uses them up, changes and deletes them.
type life struct {
	t        *testing.T
	store    *store.Store
	verifier *verify.Verifier
	access   keys.Access
	api      string

	keys, uses, unknown, wrong *atomic.Int64
}

// once makes a key with some uses and a limit, uses it until it refuses, and takes it
// away for good. What was VALID is what was given, or less what has an unknown end.
func (l *life) once(ctx context.Context) {
	given := rand.Int64N(20)
	made, err := l.store.CreateKey(ctx, l.access, keys.KeyDraft{APIID: l.api, Remaining: &given,
		Limits: []ratelimit.Limit{{Name: "l", Limit: 1000, Duration: 60_000, AutoApply: true}}})
	if err != nil {
		l.t.Error(err)
		return
	}
	valid, unknown := int64(0), int64(0)
	for range given + 3 {
		o, err := l.verifier.Verify(ctx, &verify.Request{Secret: made.Secret, Cost: 1,
			Limits: []verify.LimitRequest{{Name: "own", Cost: 1, Own: true, Limit: 1000, Duration: 1000}}})
		switch {
		case err != nil:
			unknown++
		case o.Code == verify.Valid:
			valid++
		}
	}
	if valid > given || valid < given-unknown {
		l.wrong.Add(1)
		l.t.Errorf("%d uses of %d were VALID, %d unknown", valid, given, unknown)
	}
	if err := l.store.UpdateKey(ctx, l.access, made.ID, keys.KeyPatch{Name: keys.To("changed"), Disabled: keys.To(true)}); err != nil {
		l.t.Error(err)
	}
	if o, err := l.verifier.Verify(ctx, &verify.Request{Secret: made.Secret, Cost: 1}); err == nil && o.Code != verify.Disabled {
		l.wrong.Add(1)
		l.t.Errorf("a key that was disabled is %s", o.Code)
	}
	if err := l.store.DeleteKey(ctx, l.access, made.ID, true); err != nil {
		l.t.Error(err)
	}
	l.keys.Add(1)
	l.uses.Add(valid)
	l.unknown.Add(unknown)
}

// Load that goes on leaves nothing behind.
func TestSoak(t *testing.T) {
	server := redistest.Start(t, redistest.WithAOF("everysec"))
	client, err := redisdb.Dial(server.URL(), redisdb.Options{Timeout: patience, NoDurableWrites: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	redisdb.DurableWrites(client, nil)
	store := store.Open(client, store.Options{Timeout: patience})
	l := life{t: t, store: store, verifier: verify.New(store, verify.Options{CacheBytes: 1 << 20, Timeout: patience}), keys: new(atomic.Int64), uses: new(atomic.Int64), unknown: new(atomic.Int64), wrong: new(atomic.Int64)}
	ws, err := store.Workspace(t.Context(), "soak")
	if err != nil {
		t.Fatal(err)
	}
	l.access = keys.Operator(ws).As()
	api, err := store.CreateAPI(t.Context(), l.access, "soak")
	if err != nil {
		t.Fatal(err)
	}
	l.api = api.ID
	l.load(time.Second) // what is made once is made
	goroutines, memory := runtime.NumGoroutine(), heap()
	l.load(during(t))
	left := strays(t, client)
	t.Logf("%-48s %d keys made, used up, changed and deleted; %d uses, %d unknown: %d wrong, %d names left, goroutines %d of %d, heap %d of %d KiB",
		"soak "+during(t).String(), l.keys.Load(), l.uses.Load(), l.unknown.Load(), l.wrong.Load(), len(left), runtime.NumGoroutine(), goroutines, heap()>>10, memory>>10)
	if len(left) > 0 {
		t.Errorf("left in Redis: %.20q", left)
	}
	if runtime.NumGoroutine() > goroutines+10 || heap() > memory+32<<20 {
		t.Error("goroutines or memory stayed behind")
	}
}

// load lets callers live for a while.
func (l *life) load(d time.Duration) {
	var group sync.WaitGroup
	end := time.Now().Add(d)
	for range 8 {
		group.Go(func() {
			for time.Now().Before(end) {
				l.once(context.Background())
			}
		})
	}
	group.Wait()
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// strays are the names in Redis that do not belong to the workspace and its API and
// do not expire.
func strays(t *testing.T, client redis.UniversalClient) (left []string) {
	t.Helper()
	for names := client.Scan(t.Context(), 0, "*", 1000).Iterator(); names.Next(t.Context()); {
		name := names.Val()
		kept := name == "tg:w" || name == "tg:m" || strings.HasPrefix(name, "tg:v:") || strings.HasPrefix(name, "tg:d:") || strings.HasPrefix(name, "tg:l:{")
		if !kept && client.TTL(t.Context(), name).Val() == -1 { // it is there and does not expire
			left = append(left, name)
		}
	}
	return left
}
