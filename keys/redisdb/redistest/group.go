package redistest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// A Cluster as a group.

func (c *ClusterServer) all() []*Server { return c.Nodes }

func (c *ClusterServer) data() []*Server { return c.Nodes }

func (c *ClusterServer) SetClock(t time.Time) { setClock(c.Nodes, t) }

func (c *ClusterServer) Advance(d time.Duration) { c.SetClock(c.Now().Add(d)) }

func (c *ClusterServer) Now() time.Time { return c.Nodes[0].Now() }

func (c *ClusterServer) use(tb testing.TB) { c.tb = tb; use(tb, c.Nodes) }

func (c *ClusterServer) dial(testing.TB) redis.UniversalClient {
	return c.Client(func(o *redis.ClusterOptions) {
		o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = 20*time.Second, 20*time.Second, 10*time.Second
	})
}

// handOver promotes a replica of one master after the other, a master each time.
func (c *ClusterServer) handOver() {
	c.tb.Helper()
	for i := range c.Nodes {
		if next := c.Nodes[(c.handedOver+i)%len(c.Nodes)]; !next.master() {
			c.handedOver += i + 1
			c.promote(next)
			return
		}
	}
	c.tb.Fatal("redistest: the cluster has no replica")
}

// What sentinels watch as a group.

func (g *SentinelServer) all() []*Server { return append(g.data(), g.Sentinels...) }

func (g *SentinelServer) data() []*Server { return append([]*Server(nil), g.Nodes...) }

func (g *SentinelServer) SetClock(t time.Time) { setClock(g.Nodes, t) }

func (g *SentinelServer) Advance(d time.Duration) { g.SetClock(g.Now().Add(d)) }

func (g *SentinelServer) Now() time.Time { return g.Nodes[0].Now() }

func (g *SentinelServer) use(tb testing.TB) { g.tb = tb; use(tb, g.all()) }

func (g *SentinelServer) dial(testing.TB) redis.UniversalClient {
	return g.Client(func(o *redis.FailoverOptions) {
		o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = 20*time.Second, 20*time.Second, 10*time.Second
	})
}

// handOver is a failover in which nothing is lost: Redis's own FAILOVER lets no
// write through until the replica has everything. The sentinels' alone has two
// masters for a moment, and what the old one takes then is lost. They are told to
// promote who is promoted already.
func (g *SentinelServer) handOver() {
	g.tb.Helper()
	old := g.Master()
	next := g.Nodes[0]
	if next == old {
		next = g.Nodes[1]
	}
	await(g.tb, "the replica to follow", func() bool { return next.follows() })
	old.Do("FAILOVER", "TO", "127.0.0.1", next.port, "TIMEOUT", 10_000)
	await(g.tb, "the replica to take over", func() bool { return next.master() && !old.master() })
	insist(g.tb, "a failover",
		func() error {
			if g.Master() == next {
				return nil // asked again, the sentinel would promote the old one; the others will hear of it
			}
			return g.Sentinels[0].admin.Do(ctx, "SENTINEL", "FAILOVER", masterName).Err()
		},
		func() bool { return g.agreeOn(next) })
	await(g.tb, "the old master to follow", func() bool { return old.follows() })
}

// agreeOn reports whether every sentinel names this master.
func (g *SentinelServer) agreeOn(m *Server) bool {
	for _, s := range g.Sentinels {
		addr, _ := s.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", masterName).([]any)
		if len(addr) != 2 || addr[1] != fmt.Sprint(m.port) {
			return false
		}
	}
	return true
}

// follows reports whether the server is a replica that hears its master.
func (s *Server) follows() bool {
	info, err := s.admin.Info(ctx, "replication").Result()
	return err == nil && strings.Contains(info, "role:slave") && strings.Contains(info, "master_link_status:up")
}

func use(tb testing.TB, servers []*Server) {
	for _, s := range servers {
		s.tb = tb
	}
}
