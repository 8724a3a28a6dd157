package redisdb

import (
	"context"
	"net"

	"github.com/redis/go-redis/v9"
)

// checkServers has every connection of a client answer only as long as its server is a
// master, see checkedConn, and the client only as long as its servers are fit.
func checkServers(client redis.UniversalClient) {
	f := &Fitness{}
	switch c := client.(type) {
	case *redis.ClusterClient:
		c.AddHook(fitnessHook{f})
		c.OnNewNode(func(node *redis.Client) { node.AddHook(&masterCheck{fitness: f}) })
	case *redis.Client:
		c.AddHook(fitnessHook{f})
		c.AddHook(&masterCheck{fitness: f})
	}
}

// masterCheck is the hook on the client of one node.
type masterCheck struct {
	server  server
	fitness *Fitness
}

// DialHook implements redis.Hook.
func (m *masterCheck) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := next(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		m.fitness.noteConnect(ctx)
		return newCheckedConn(c, &m.server), nil
	}
}

// ProcessHook implements redis.Hook.
func (m *masterCheck) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if set, ok := cmd.(*setReplicaRule); ok {
			m.server.rule.Store(&set.rule)
			return nil
		}
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook implements redis.Hook.
func (m *masterCheck) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// setReplicaRule is not sent: the hook of the node that it is given to keeps it.
type setReplicaRule struct {
	*redis.Cmd
	rule replicaRule
}

// SetReplicaRule tells the connections of a client of one node what its server is set
// to: min-replicas-to-write, and min-replicas-max-lag in seconds. Of a client that Dial
// did not make it is nobody's business, and is an error of the server.
func SetReplicaRule(ctx context.Context, node redis.UniversalClient, minReplicas, maxLag int) error {
	return node.Process(ctx, &setReplicaRule{redis.NewCmd(ctx, "ping"), replicaRule{minReplicas, maxLag}})
}
