package redistest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// slots is the number of hash slots of a Redis Cluster.
const slots = 16384

// nodeTimeout (ms) is after how long a silent node is taken for dead; the
// failover that follows takes about as long again.
const nodeTimeout = 1000

// ClusterServer is a Redis Cluster of real processes.
type ClusterServer struct {
	tb testing.TB
	// Nodes holds the first masters first, then their replicas. Roles change
	// with a failover; the order does not.
	Nodes []*Server

	handedOver int // how many nodes handOver has gone over
}

// Cluster starts a Cluster and waits until every node serves. replicas is the
// number per master. The options apply to every node; a movable clock is not
// for a Cluster, whose failure detection would move with it.
func Cluster(tb testing.TB, masters, replicas int, opts ...Option) *ClusterServer {
	tb.Helper()
	return newCluster(tb, Start, masters, replicas, opts...)
}

// newCluster is Cluster on nodes that begin starts.
func newCluster(tb testing.TB, begin func(testing.TB, ...Option) *Server, masters, replicas int, opts ...Option) *ClusterServer {
	tb.Helper()
	c := &ClusterServer{tb: tb}
	opts = append([]Option{WithConfig("cluster-enabled yes", fmt.Sprintf("cluster-node-timeout %d", nodeTimeout))}, opts...)
	for range masters * (1 + replicas) {
		c.Nodes = append(c.Nodes, begin(tb, opts...))
	}
	c.assign(masters)
	c.meet()
	c.follow(masters)
	c.Await()
	return c
}

// assign assigns each master its share of the slots: by ADDSLOTS, which Redis 6.2 has as
// well; ADDSLOTSRANGE came with 7.0.
func (c *ClusterServer) assign(masters int) {
	c.tb.Helper()
	for i, n := range c.Nodes {
		n.Do("CLUSTER", "SET-CONFIG-EPOCH", i+1)
		if i < masters {
			n.Do(addSlots(i*slots/masters, (i+1)*slots/masters)...)
		}
	}
}

// addSlots is the command that takes the slots from first on and before end.
func addSlots(first, end int) []any {
	command := []any{"CLUSTER", "ADDSLOTS"}
	for slot := first; slot < end; slot++ {
		command = append(command, slot)
	}
	return command
}

// meet introduces the nodes and waits until each knows all.
func (c *ClusterServer) meet() {
	c.tb.Helper()
	for _, n := range c.Nodes[1:] {
		c.Nodes[0].Do("CLUSTER", "MEET", "127.0.0.1", n.port)
	}
	await(c.tb, "the nodes to meet", func() bool {
		for _, n := range c.Nodes {
			known := n.Do("CLUSTER", "NODES").(string)
			if strings.Count(known, "\n") != len(c.Nodes) || strings.Contains(known, "handshake") {
				return false
			}
		}
		return true
	})
}

// follow makes the later nodes replicas, one round over the masters at a time.
func (c *ClusterServer) follow(masters int) {
	c.tb.Helper()
	for i, n := range c.Nodes[masters:] {
		n.Do("CLUSTER", "REPLICATE", c.Nodes[i%masters].id())
	}
}

// id is the node's name within its Cluster.
func (s *Server) id() string {
	s.tb.Helper()
	return s.Do("CLUSTER", "MYID").(string)
}

// Addrs lists the nodes' addresses.
func (c *ClusterServer) Addrs() []string {
	return addrs(c.Nodes)
}

func addrs(servers []*Server) []string {
	list := make([]string, len(servers))
	for i, s := range servers {
		list[i] = s.Addr()
	}
	return list
}

// URL is the Cluster in Tollgate's form: redis+cluster://host:port,host:port.
func (c *ClusterServer) URL() string {
	return c.Nodes[0].scheme() + "+cluster://" + userinfo(c.Nodes[0]) + strings.Join(c.Addrs(), ",")
}

// userinfo is the part of a URL that carries the password, "" without one.
func userinfo(s *Server) string {
	return strings.TrimSuffix(strings.TrimPrefix(s.URL(), s.scheme()+"://"), s.Addr())
}

// Client returns a client with the options of Server.Client.
func (c *ClusterServer) Client(tune ...func(*redis.ClusterOptions)) *redis.ClusterClient {
	o := &redis.ClusterOptions{
		Addrs: c.Addrs(), Password: c.Nodes[0].password, Protocol: 3,
		MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		DialTimeout: 500 * time.Millisecond, PoolTimeout: 100 * time.Millisecond,
		ReadTimeout: 250 * time.Millisecond, WriteTimeout: 250 * time.Millisecond,
		MaintNotificationsConfig: disabled(),
	}
	for _, t := range tune {
		t(o)
	}
	admin := *o
	user := asUser(c.Nodes[0].password)
	if user {
		o.Username, o.Password = userName, userPassword
		o.NewClient = func(node *redis.Options) *redis.Client { return restrictedNode(c.tb, node) }
	}
	client := redis.NewClusterClient(o)
	c.tb.Cleanup(func() { _ = client.Close() })
	if !user {
		return client
	}
	return restricted(c.tb, client, redis.NewClusterClient(&admin))
}

// Await returns when every living node says that the Cluster is in order, its
// replicas have caught up, and all agree on who owns what.
func (c *ClusterServer) Await() {
	c.tb.Helper()
	await(c.tb, "the cluster to be in order", c.ok)
}

func (c *ClusterServer) ok() bool {
	views := map[string]bool{}
	for _, n := range c.alive() {
		info, err := n.admin.ClusterInfo(ctx).Result()
		repl, err2 := n.admin.Info(ctx, "replication").Result()
		view, err3 := n.owners()
		if err != nil || err2 != nil || err3 != nil || !strings.Contains(info, "cluster_state:ok") ||
			strings.Contains(repl, "master_link_status:down") {
			return false
		}
		views[fmt.Sprint(view)] = true
	}
	return len(views) == 1
}

// alive lists the nodes whose process runs.
func (c *ClusterServer) alive() []*Server {
	var list []*Server
	for _, n := range c.Nodes {
		if n.proc.Running() {
			list = append(list, n)
		}
	}
	return list
}
