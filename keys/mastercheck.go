package keys

import (
	"context"
	"net"

	"github.com/redis/go-redis/v9"
)

// checkMasters has every connection of a client answer only as long as its server is a
// master, see checkedConn.
func checkMasters(client redis.UniversalClient) {
	switch c := client.(type) {
	case *redis.ClusterClient:
		c.OnNewNode(func(node *redis.Client) { node.AddHook(&masterCheck{}) })
	case *redis.Client:
		c.AddHook(&masterCheck{})
	}
}

// masterCheck is the hook on the client of one node.
type masterCheck struct{ server server }

// DialHook implements redis.Hook.
func (m *masterCheck) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := next(ctx, network, addr)
		if err != nil {
			return nil, err
		}
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
