package redistest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// owner is one range of slots and the address of its master.
type owner struct {
	first, last int
	addr        string
}

// owners is who owns which slots as this node sees it, in the order of slots.
func (s *Server) owners() ([]owner, error) {
	slots := redis.NewClusterSlotsCmd(ctx, "CLUSTER", "SLOTS")
	err := s.admin.Process(ctx, slots)
	list := make([]owner, 0, len(slots.Val()))
	for _, r := range slots.Val() {
		if len(r.Nodes) > 0 {
			list = append(list, owner{r.Start, r.End, r.Nodes[0].Addr})
		}
	}
	slices.SortFunc(list, func(a, b owner) int { return a.first - b.first })
	return list, err
}

// Slot is the hash slot of a key.
func (c *ClusterServer) Slot(key string) int {
	c.tb.Helper()
	return int(c.alive()[0].Do("CLUSTER", "KEYSLOT", key).(int64))
}

// Owner is the master that serves the key.
func (c *ClusterServer) Owner(key string) *Server {
	c.tb.Helper()
	slot := c.Slot(key)
	list, err := c.alive()[0].owners()
	for _, o := range list {
		if o.first <= slot && slot <= o.last {
			return c.at(o.addr)
		}
	}
	c.tb.Fatalf("redistest: nobody owns slot %d (%v)", slot, err)
	return nil
}

func (c *ClusterServer) at(addr string) *Server {
	c.tb.Helper()
	for _, n := range c.Nodes {
		if n.Addr() == addr {
			return n
		}
	}
	c.tb.Fatalf("redistest: no node at %s", addr)
	return nil
}

// Replicas lists the living replicas of a master.
func (c *ClusterServer) Replicas(master *Server) []*Server {
	c.tb.Helper()
	var list []*Server
	for _, n := range c.alive() {
		info, err := n.admin.Info(ctx, "replication").Result()
		if err == nil && strings.Contains(info, fmt.Sprintf("master_port:%d\r", master.port)) {
			list = append(list, n)
		}
	}
	return list
}

// FailOver hands the key's slots to a replica in good order (nothing is lost),
// waits until all agree and returns the new owner.
func (c *ClusterServer) FailOver(key string) *Server {
	c.tb.Helper()
	replicas := c.Replicas(c.Owner(key))
	if len(replicas) == 0 {
		c.tb.Fatal("redistest: the owner has no replica")
	}
	return c.promote(replicas[0])
}

// promote makes a replica the master of what it follows; nothing is lost.
func (c *ClusterServer) promote(next *Server) *Server {
	c.tb.Helper()
	insist(c.tb, "a failover",
		func() error { return next.admin.ClusterFailover(ctx).Err() },
		func() bool { return next.master() && c.ok() })
	return next
}

// KillOwner kills the key's master and returns it. A replica takes over by
// itself after about two seconds; AwaitOwner waits for that.
func (c *ClusterServer) KillOwner(key string) *Server {
	c.tb.Helper()
	s := c.Owner(key)
	s.Kill()
	return s
}

// AwaitOwner waits until a living node serves the key and all agree on it.
func (c *ClusterServer) AwaitOwner(key string) *Server {
	c.tb.Helper()
	await(c.tb, "a new owner of "+key, func() bool { return c.Owner(key).proc.Running() && c.ok() })
	return c.Owner(key)
}

// BeginMove opens the move of the key's slot to another master and moves none
// of its keys: from now on the owner answers ASK for keys it does not have.
func (c *ClusterServer) BeginMove(key string, to *Server) {
	c.tb.Helper()
	slot, from := c.Slot(key), c.Owner(key)
	to.Do("CLUSTER", "SETSLOT", slot, "IMPORTING", from.id())
	from.Do("CLUSTER", "SETSLOT", slot, "MIGRATING", to.id())
}

// MoveKeys moves the named keys of an open move, so that the owner answers ASK
// for them, and TRYAGAIN for a script that needs some on either side.
func (c *ClusterServer) MoveKeys(to *Server, keys ...string) {
	c.tb.Helper()
	from := c.Owner(keys[0])
	args := []any{"MIGRATE", "127.0.0.1", to.port, "", 0, 5000}
	if from.password != "" {
		args = append(args, "AUTH", from.password)
	}
	args = append(args, "KEYS")
	for _, k := range keys {
		args = append(args, k)
	}
	from.Do(args...)
}

// EndMove moves what is left of the slot and tells every master its new owner.
func (c *ClusterServer) EndMove(key string, to *Server) {
	c.tb.Helper()
	slot, from := c.Slot(key), c.Owner(key)
	for {
		keys, err := from.admin.ClusterGetKeysInSlot(ctx, slot, 100).Result()
		if err != nil {
			c.tb.Fatalf("redistest: move: %v", err)
		}
		if len(keys) == 0 {
			break
		}
		c.MoveKeys(to, keys...)
	}
	c.settle(slot, to)
}

// settle tells the masters, the new owner first, whose the slot is.
func (c *ClusterServer) settle(slot int, to *Server) {
	c.tb.Helper()
	id := to.id()
	to.Do("CLUSTER", "SETSLOT", slot, "NODE", id)
	for _, n := range c.alive() {
		if n != to && n.master() {
			n.Do("CLUSTER", "SETSLOT", slot, "NODE", id)
		}
	}
	c.Await()
}

// MoveSlot moves the key's slot, with all its keys, to another master.
func (c *ClusterServer) MoveSlot(key string, to *Server) {
	c.tb.Helper()
	c.BeginMove(key, to)
	c.EndMove(key, to)
}

// master reports whether the server is a master in its own eyes.
func (s *Server) master() bool {
	info, err := s.admin.Info(ctx, "replication").Result()
	return err == nil && strings.Contains(info, "role:master")
}
