package redistest

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// masterName is what the sentinels call the group they watch.
const masterName = "tollgate"

// SentinelServer is a master with its replicas, watched by sentinels.
type SentinelServer struct {
	tb        testing.TB
	Nodes     []*Server // the first master first; roles change with a failover
	Sentinels []*Server
}

// Sentinel starts a master, two replicas and three sentinels, two of which
// must agree, and waits until they know each other. The options apply to the
// three data nodes.
func Sentinel(tb testing.TB, opts ...Option) *SentinelServer {
	tb.Helper()
	return newSentinel(tb, Start, 2, opts...)
}

// newSentinel is Sentinel on servers that begin starts.
func newSentinel(tb testing.TB, begin func(testing.TB, ...Option) *Server, replicas int, opts ...Option) *SentinelServer {
	tb.Helper()
	opts = append([]Option{func(s *Server) { s.watched = true }}, opts...)
	g := &SentinelServer{tb: tb, Nodes: []*Server{begin(tb, opts...)}}
	master := g.Nodes[0]
	follow := WithConfig(fmt.Sprintf("replicaof 127.0.0.1 %d", master.port))
	for range replicas {
		g.Nodes = append(g.Nodes, begin(tb, append([]Option{follow}, opts...)...))
	}
	for range 3 {
		g.Sentinels = append(g.Sentinels, begin(tb, watching(master)))
	}
	await(tb, "the sentinels to meet", g.ok)
	return g
}

// watching makes a server a sentinel of the master.
func watching(master *Server) Option {
	return func(s *Server) {
		s.sentinel, s.secure, s.password = true, master.secure, master.sentinelPassword
		s.config = []string{
			fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d 2", masterName, master.port),
			fmt.Sprintf("sentinel down-after-milliseconds %s 1000", masterName),
			fmt.Sprintf("sentinel failover-timeout %s 3000", masterName),
		}
		if s.password != "" {
			s.config = append(s.config, "requirepass "+s.password, "sentinel sentinel-pass "+s.password)
		}
		if master.password != "" {
			s.config = append(s.config, fmt.Sprintf("sentinel auth-pass %s %s", masterName, master.password))
		}
	}
}

// ok reports whether every sentinel knows the other two and every replica.
func (g *SentinelServer) ok() bool {
	for _, s := range g.Sentinels {
		m, _ := s.Do("SENTINEL", "MASTER", masterName).(map[any]any)
		if m["num-other-sentinels"] != "2" || m["num-slaves"] != fmt.Sprint(len(g.Nodes)-1) || m["flags"] != "master" {
			return false
		}
	}
	return true
}

// URL is the group in Tollgate's form: redis+sentinel://host:port,host:port/MASTER.
func (g *SentinelServer) URL() string {
	address := g.Nodes[0].scheme() + "+sentinel://" + userinfo(g.Nodes[0]) + strings.Join(addrs(g.Sentinels), ",") + "/" + masterName
	if password := g.Nodes[0].sentinelPassword; password != "" {
		address += "?sentinel_password=" + url.QueryEscape(password)
	}
	return address
}

// MasterName is the name to ask the sentinels for.
func (g *SentinelServer) MasterName() string { return masterName }

// Client returns a client that asks the sentinels for the master, with the
// options of Server.Client.
func (g *SentinelServer) Client(tune ...func(*redis.FailoverOptions)) *redis.Client {
	o := &redis.FailoverOptions{
		MasterName: masterName, SentinelAddrs: addrs(g.Sentinels), Password: g.Nodes[0].password, Protocol: 3,
		MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		DialTimeout: 500 * time.Millisecond, PoolTimeout: 100 * time.Millisecond,
		ReadTimeout: 250 * time.Millisecond, WriteTimeout: 250 * time.Millisecond,
	}
	for _, t := range tune {
		t(o)
	}
	c := redis.NewFailoverClient(o)
	g.tb.Cleanup(func() { _ = c.Close() })
	return c
}

// Master is the node that the sentinels name now; it may be dead.
func (g *SentinelServer) Master() *Server {
	g.tb.Helper()
	addr := g.Sentinels[0].Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", masterName).([]any)
	for _, n := range g.Nodes {
		if fmt.Sprint(n.port) == addr[1] {
			return n
		}
	}
	g.tb.Fatalf("redistest: the sentinels name a stranger: %v", addr)
	return nil
}

// FailOver makes the sentinels promote a replica and returns it.
func (g *SentinelServer) FailOver() *Server {
	g.tb.Helper()
	old := g.Master()
	insist(g.tb, "a failover",
		func() error { return g.Sentinels[0].admin.Do(ctx, "SENTINEL", "FAILOVER", masterName).Err() },
		func() bool { return g.Master() != old && g.serves() })
	return g.Master()
}

// KillMaster kills the master and returns it; AwaitMaster waits for the next.
func (g *SentinelServer) KillMaster() *Server {
	g.tb.Helper()
	m := g.Master()
	m.Kill()
	return m
}

// AwaitMaster waits until the sentinels name a living master, after a
// KillMaster about three seconds later, and returns it.
func (g *SentinelServer) AwaitMaster() *Server {
	g.tb.Helper()
	await(g.tb, "a new master", g.serves)
	return g.Master()
}

// serves reports whether the node that the sentinels name lives and agrees.
func (g *SentinelServer) serves() bool {
	m := g.Master()
	return m.proc.Running() && m.master()
}
