package catalog

import (
	"context"

	"tollgate/keys/layout"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

// Ping returns nil where every master answers, runs scripts and takes writes, and
// KindUnavailable where one does not. One that is full is FailureFull: reads and
// revocations work still.
func (s *Catalog) Ping(ctx context.Context) error {
	var all []redisdb.Invocation
	for _, shard := range s.oneShardEach(ctx) {
		all = append(all, redisdb.Invocation{Names: []string{layout.MarkerName(shard)}, Args: nil})
	}
	replies, err := s.RunAll(ctx, pingScript, all)
	if err != nil {
		return err
	}
	for _, reply := range replies {
		switch redisdb.Text(reply[0]) {
		case "lost":
			if s.marked.Load() {
				return redisdb.Unavailable(redisdb.ErrLost)
			}
		case "full":
			err = redisdb.Unavailable(redisdb.ErrFull)
		}
	}
	return err
}

// oneShardEach returns a shard of each master; "" where the store is one server. What a
// Cluster's client knows of it may be out of date: then the shard says who its master is.
func (s *Catalog) oneShardEach(ctx context.Context) []string {
	cluster, ok := s.Redis().(*redis.ClusterClient)
	if !ok {
		return []string{""}
	}
	var some []string
	seen := map[*redis.Client]bool{}
	for _, shard := range layout.Shards() {
		node, err := cluster.MasterForKey(ctx, layout.MarkerName(shard))
		if err != nil {
			return []string{shard}
		}
		if !seen[node] {
			seen[node] = true
			some = append(some, shard)
		}
	}
	return some
}
