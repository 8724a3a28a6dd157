package faults

import (
	"context"
	"fmt"
	"os"
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

// full reports whether everything is tried that the README has figures of.
var full = os.Getenv("TOLLGATE_FULL") == "1"

// scale returns the size of a test in its short and in its full form.
func scale[T any](short, long T) T {
	if full {
		return long
	}
	return short
}

// binDir is where the program is built.
var binDir string

func TestMain(m *testing.M) {
	var err error
	if binDir, err = os.MkdirTemp("", "faults"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(binDir)
	os.Exit(code)
}

// gateway is a store and a verifier, as one process has them.
type gateway struct {
	*store.Store
	*verify.Verifier
}

func newGateway(c redis.UniversalClient) gateway {
	store := store.Open(c, store.Options{})
	return gateway{store, verify.New(store, verify.Options{})}
}

// dial makes a gateway with the client and the time limits of the program.
func dial(tb testing.TB, url string) gateway {
	tb.Helper()
	client, err := redisdb.Dial(url, redisdb.Options{NoDurableWrites: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = client.Close() })
	redisdb.DurableWrites(client, nil)
	return newGateway(client)
}

// world is a workspace with an API, made through a gateway that nothing disturbs.
type world struct {
	tb testing.TB
	gateway
	access keys.Access
	api    string
}

func newWorld(tb testing.TB, c redis.UniversalClient) *world {
	tb.Helper()
	w := &world{tb: tb, gateway: newGateway(c)}
	w.Store = store.Open(c, store.Options{Timeout: 10 * time.Second})
	ws, err := w.Workspace(tb.Context(), "test")
	w.must(err)
	w.access = keys.Operator(ws).As()
	w.access.LongDurations = true
	api, err := w.CreateAPI(tb.Context(), w.access, "test")
	w.must(err)
	w.api = api.ID
	return w
}

func (w *world) must(err error) {
	w.tb.Helper()
	if err != nil {
		w.tb.Fatal(err)
	}
}

func (w *world) create(d keys.KeyDraft) keys.NewKey {
	w.tb.Helper()
	d.APIID = w.api
	made, err := w.CreateKey(w.tb.Context(), w.access, d)
	w.must(err)
	return made
}

// left returns what a key has left, as a read shows it.
func (w *world) left(id string) keys.State {
	w.tb.Helper()
	d, err := w.Key(w.tb.Context(), w.access, id, false)
	w.must(err)
	return d.State
}

func uses(n int64) *int64 { return &n }

func limitsOf(all ...ratelimit.Limit) []ratelimit.Limit { return all }

// ever is a limit whose window does not end while a test runs.
func ever(name string, n int64) ratelimit.Limit {
	return ratelimit.Limit{Name: name, Limit: n, Duration: foreverDuration, AutoApply: true}
}

const foreverDuration = keys.MaxLongDuration

// spend verifies once, at the cost of one use.
func (g gateway) spend(ctx context.Context, secret keys.Secret) (verify.Code, error) {
	o, err := g.Verify(request(ctx), &verify.Request{Secret: secret, Cost: 1})
	if err != nil {
		return "", err
	}
	return o.Code, nil
}

// request is the context of a request that begins now, as the program makes it.
func request(ctx context.Context) context.Context {
	now := time.Now()
	return context.WithValue(ctx, redisdb.RequestStart{}, &now)
}

// unavailable tells the one error that a broken store may cause.
func unavailable(err error) bool { return keys.AsError(err).Kind == keys.KindUnavailable }

// row prints a line of the table.
func row(tb testing.TB, tried string, lost string, args ...any) {
	tb.Helper()
	tb.Logf("%-48s %s", tried, fmt.Sprintf(lost, args...))
}

// brisk is the client of the program on a server of the kit.
func brisk(tb testing.TB, s *redistest.Server) gateway { return dial(tb, s.URL()) }
