package faults

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
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

// gateway is a store and a verifier with the time limits of the program.
type gateway struct{ keystest.Gateway }

func newGateway(c redis.UniversalClient) gateway {
	store := store.Open(c, store.Options{})
	return gateway{keystest.Gateway{Store: store, Verifier: verify.New(store, verify.Options{})}}
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

// world is a workspace with an API, made through a gateway that nothing disturbs. It verifies
// with the time limits of the program.
type world struct{ *keystest.World }

func newWorld(tb testing.TB, c redis.UniversalClient) *world {
	tb.Helper()
	w := &world{keystest.New(tb, c, "test")}
	w.Verifier = newGateway(c).Verifier
	w.Access.LongDurations = true
	return w
}

func (w *world) spend(ctx context.Context, secret keys.Secret) (verify.Code, error) {
	return gateway{w.Gateway}.spend(ctx, secret)
}

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
