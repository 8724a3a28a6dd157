package redistest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Masters returns a client of each server of a store that has data of its own, by address.
func Masters(tb testing.TB, c redis.UniversalClient) (all []*redis.Client) {
	tb.Helper()
	cluster, ok := c.(*redis.ClusterClient)
	if !ok {
		return append(all, c.(*redis.Client))
	}
	var mu sync.Mutex
	err := cluster.ForEachMaster(tb.Context(), func(_ context.Context, node *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, node)
		return nil
	})
	if err != nil {
		tb.Fatalf("redistest: masters: %v", err)
	}
	slices.SortFunc(all, func(a, b *redis.Client) int { return cmp.Compare(a.Options().Addr, b.Options().Addr) })
	return all
}

// Configure sets a value of each of the Masters, until the end of the test. miniredis has no
// settings: nothing is done there, and done is false.
func Configure(tb testing.TB, c redis.UniversalClient, name, value string) (done bool) {
	tb.Helper()
	for _, server := range Masters(tb, c) {
		was, err := server.ConfigGet(tb.Context(), name).Result()
		if err != nil && strings.Contains(err.Error(), "unknown command") {
			return false
		}
		tb.Cleanup(func() { server.ConfigSet(ctx, name, was[name]) })
		if err := server.ConfigSet(tb.Context(), name, value).Err(); err != nil {
			tb.Fatalf("redistest: %s: %v", name, err)
		}
	}
	return true
}

// Trips counts what a client sends: commands, and pipelines as one each.
type Trips struct{ n atomic.Int64 }

// CountTrips counts what the client sends from now on.
func CountTrips(c redis.UniversalClient) *Trips {
	t := new(Trips)
	c.AddHook(t)
	return t
}

// Take returns how many there were since the last time.
func (t *Trips) Take() int64 { return t.n.Swap(0) }

// DialHook implements redis.Hook.
func (t *Trips) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (t *Trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		t.n.Add(1)
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook implements redis.Hook.
func (t *Trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		t.n.Add(1)
		return next(ctx, cmds)
	}
}
