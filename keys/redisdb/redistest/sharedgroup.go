package redistest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// group is servers that are one store: a Cluster, or what sentinels watch.
type group interface {
	Clock
	URL() string
	dial(tb testing.TB) redis.UniversalClient
	all() []*Server  // the sentinels too
	data() []*Server // those that hold it
	handOver()       // has a replica take over; nothing is lost
	use(tb testing.TB)
}

// form tells groups apart of which one cannot stand for the other.
type form struct {
	kind     string
	replicas int // of each master
	clock    bool
}

// idleGroups holds the shared groups that no test is using. A new Cluster takes no
// writes for its first two seconds: starting one for each test is most of the time
// that tests take.
var idleGroups = struct {
	sync.Mutex
	of map[form][]group
}{of: map[form][]group{}}

// sharedGroup returns an empty group that lives as long as the test binary. A test
// has it alone, and must leave its slots where they are.
func sharedGroup(tb testing.TB, f form) group {
	tb.Helper()
	g := takeIdleGroup(f)
	if g == nil {
		g = startSharedGroup(tb, f)
	}
	g.use(tb)
	if f.clock {
		g.SetClock(time.Now())
	}
	for _, n := range g.data() {
		n.tb = tb
		if n.master() {
			n.Do("FLUSHALL")
		}
		n.Do("SCRIPT", "FLUSH", "SYNC")
	}
	tb.Cleanup(func() { giveBackGroup(f, g) })
	return g
}

func takeIdleGroup(f form) group {
	idleGroups.Lock()
	defer idleGroups.Unlock()
	list := idleGroups.of[f]
	if len(list) == 0 {
		return nil
	}
	idleGroups.of[f] = list[:len(list)-1]
	return list[len(list)-1]
}

// giveBackGroup keeps the group for the next test, unless this one broke it.
func giveBackGroup(f form, g group) {
	for _, s := range g.all() {
		if !s.proc.Running() {
			for _, s := range g.all() {
				s.stop()
			}
			return
		}
	}
	idleGroups.Lock()
	defer idleGroups.Unlock()
	idleGroups.of[f] = append(idleGroups.of[f], g)
}

func startSharedGroup(tb testing.TB, f form) group {
	tb.Helper()
	removeAbandoned()
	var opts []Option
	if f.clock {
		opts = append(opts, withClockOfGroup(filepath.Join(lastingDir(tb, ""), "clock")))
	}
	return startGroup(tb, f, lasting(""), opts...)
}

func startGroup(tb testing.TB, f form, begin func(testing.TB, ...Option) *Server, opts ...Option) group {
	tb.Helper()
	if f.kind == sentinel {
		return newSentinel(tb, begin, f.replicas, opts...)
	}
	return newCluster(tb, begin, 3, f.replicas, opts...)
}

// lasting starts servers that live as long as the test binary, each with what it stores
// in a directory of its own within one, by default that of its settings and its log.
func lasting(within string) func(testing.TB, ...Option) *Server {
	return func(tb testing.TB, opts ...Option) *Server {
		tb.Helper()
		s := &Server{tb: tb, dir: lastingDir(tb, "")}
		if within != "" {
			s.config = append(s.config, "dir "+lastingDir(tb, within))
		}
		for _, o := range opts {
			o(s)
		}
		if s.clock != "" {
			s.writeClock(0)
		}
		s.listen()
		return s
	}
}

// withClockOfGroup gives all servers of a group one movable clock. They would take
// each other for dead when it moves: none ever does, so that nobody takes over by
// itself either.
func withClockOfGroup(file string) Option {
	return func(s *Server) {
		s.clock = file
		s.config = append(s.config, "repl-timeout 2000000000", "cluster-node-timeout 100000000000000")
	}
}

func setClock(of []*Server, t time.Time) {
	of[0].tb.Helper()
	of[0].writeClock(time.Until(t))
	for _, s := range of {
		await(s.tb, "the clock to move", func() bool { return s.Now().Sub(t).Abs() < time.Second })
	}
}

// abandonedPrefix begins the names of directories that outlive their test binary: a
// node of a Cluster keeps a file in its own, and nothing runs at the end that could
// remove it. The number behind it is the process; the next binary removes what is
// left of those that ended.
const abandonedPrefix = "redistest-cluster-"

func lastingDir(tb testing.TB, within string) string {
	tb.Helper()
	dir, err := os.MkdirTemp(within, fmt.Sprintf("%s%d-*", abandonedPrefix, os.Getpid()))
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	return dir
}

func removeAbandoned() {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), abandonedPrefix+"*"))
	for _, dir := range left {
		text, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), abandonedPrefix), "-")
		pid, err := strconv.Atoi(text)
		if err == nil && syscall.Kill(pid, 0) == syscall.ESRCH {
			_ = os.RemoveAll(dir) // another binary may be at it as well
		}
	}
}
