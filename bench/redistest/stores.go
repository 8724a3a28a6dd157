package redistest

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

var ctx = context.Background()

// Mini returns a miniredis whose TTLs follow its clock: SetTime moves both.
// Until SetTime is called the clock is the machine's.
func Mini(tb testing.TB) *miniredis.Miniredis {
	m := miniredis.RunT(tb)
	m.ClockTTL(true)
	return m
}

// idle holds the shared servers that no test is using.
var idle struct {
	sync.Mutex
	servers []*Server
}

// Shared returns an empty real server without persistence that lives as long
// as the test binary. A test has it alone, also a parallel one, but it must
// leave the configuration as it was. It has no directory, so no Dump.
func Shared(tb testing.TB) *Server {
	tb.Helper()
	s := takeIdle()
	if s == nil {
		s = startShared(tb)
	}
	s.tb = tb
	tb.Cleanup(func() { giveBack(s) })
	s.Do("FLUSHALL")
	s.Do("SCRIPT", "FLUSH", "SYNC")
	return s
}

func takeIdle() *Server {
	idle.Lock()
	defer idle.Unlock()
	n := len(idle.servers)
	if n == 0 {
		return nil
	}
	s := idle.servers[n-1]
	idle.servers = idle.servers[:n-1]
	return s
}

// startShared starts a server in a directory that is unlinked once it runs:
// nothing runs at the end of a test binary that could remove it.
func startShared(tb testing.TB) *Server {
	tb.Helper()
	dir, err := os.MkdirTemp("", "redistest")
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	defer os.RemoveAll(dir)
	s := &Server{tb: tb, dir: dir}
	s.listen()
	return s
}

// giveBack keeps the server for the next test, unless this one broke it.
func giveBack(s *Server) {
	s.Thaw()
	if !s.proc.running() {
		s.stop()
		return
	}
	idle.Lock()
	defer idle.Unlock()
	idle.servers = append(idle.servers, s)
}

// Each runs the test on miniredis and on a real Redis, both empty.
func Each(t *testing.T, test func(t *testing.T, c redis.UniversalClient)) {
	t.Helper()
	t.Run("miniredis", func(t *testing.T) { test(t, Client(t, Mini(t).Addr(), patient)) })
	t.Run("redis", func(t *testing.T) { test(t, Shared(t).Client(patient)) })
}

// EachWithCluster runs the test like Each, and on a Cluster of three masters, empty
// as well.
func EachWithCluster(t *testing.T, test func(t *testing.T, c redis.UniversalClient)) {
	t.Helper()
	Each(t, test)
	t.Run("cluster", func(t *testing.T) {
		test(t, sharedCluster(t).Client(func(o *redis.ClusterOptions) {
			o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = 20*time.Second, 20*time.Second, 10*time.Second
		}))
	})
}

// EachWithClock runs the test like Each, with a clock that it can move.
func EachWithClock(t *testing.T, test func(t *testing.T, c redis.UniversalClient, clock Clock)) {
	t.Helper()
	t.Run("miniredis", func(t *testing.T) {
		m := Mini(t)
		c := Client(t, m.Addr(), patient)
		test(t, c, &miniClock{tb: t, m: m, c: c})
	})
	t.Run("redis", func(t *testing.T) {
		s := Start(t, WithMovableClock())
		test(t, s.Client(patient), s)
	})
}

// miniClock makes a Clock of miniredis.
type miniClock struct {
	tb testing.TB
	m  *miniredis.Miniredis
	c  *redis.Client
}

func (k *miniClock) SetClock(t time.Time)    { k.m.SetTime(t) }
func (k *miniClock) Advance(d time.Duration) { k.SetClock(k.Now().Add(d)) }

func (k *miniClock) Now() time.Time {
	now, err := k.c.Time(ctx).Result()
	if err != nil {
		k.tb.Fatalf("redistest: TIME: %v", err)
	}
	return now
}
