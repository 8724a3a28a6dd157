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
	minis.Store(m.Addr(), nil)
	return m
}

// minis has the addresses of the miniredis that there are: they know no users.
var minis sync.Map

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
	tb.Cleanup(func() { returnIdle(s) })
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

// refund keeps the server for the next test, unless this one broke it.
func returnIdle(s *Server) {
	s.Thaw()
	if !s.proc.Running() {
		s.stop()
		return
	}
	idle.Lock()
	defer idle.Unlock()
	idle.servers = append(idle.servers, s)
}

// Names lists the names of keys in a store that match a pattern of KEYS.
func Names(tb testing.TB, c redis.UniversalClient, pattern string) []string {
	tb.Helper()
	var mu sync.Mutex
	var all []string
	look := func(ctx context.Context, c *redis.Client) error {
		names, err := c.Keys(ctx, pattern).Result()
		mu.Lock()
		defer mu.Unlock()
		all = append(all, names...)
		return err
	}
	var err error
	switch c := adminOf(c).(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(ctx, look)
	case *redis.Client:
		err = look(ctx, c)
	}
	if err != nil {
		tb.Fatalf("redistest: KEYS: %v", err)
	}
	return all
}

// miniClock makes a Clock of miniredis.
type miniClock struct {
	tb testing.TB
	m  *miniredis.Miniredis
	c  *redis.Client
}

func (k *miniClock) SetClock(t time.Time) { k.m.SetTime(t) }

func (k *miniClock) Advance(d time.Duration) { k.SetClock(k.Now().Add(d)) }

func (k *miniClock) Now() time.Time {
	now, err := k.c.Time(ctx).Result()
	if err != nil {
		k.tb.Fatalf("redistest: TIME: %v", err)
	}
	return now
}
