package keys

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// errFull is the cause of a Ping that found that a server has no memory left.
var errFull = errors.New("Redis is full: what takes memory is refused, reads and revocations work")

// Ping returns nil where every master answers, runs scripts and takes writes, and
// KindUnavailable where one does not. One that is full is FailureFull: reads and
// revocations work still.
func (s *Catalog) Ping(ctx context.Context) error {
	var all []invocation
	for _, shard := range s.oneShardEach(ctx) {
		all = append(all, invocation{[]string{markerName(shard)}, nil})
	}
	replies, err := s.runAll(ctx, pingScript, all)
	if err != nil {
		return err
	}
	for _, reply := range replies {
		switch text(reply[0]) {
		case "lost":
			if s.marked.Load() {
				return Unavailable(ErrLost)
			}
		case "full":
			err = Unavailable(errFull)
		}
	}
	return err
}

// oneShardEach returns a shard of each master; "" where the store is one server. What a
// Cluster's client knows of it may be out of date: then the shard says who its master is.
func (s *Catalog) oneShardEach(ctx context.Context) []string {
	cluster, ok := s.redis.(*redis.ClusterClient)
	if !ok {
		return []string{""}
	}
	var some []string
	seen := map[*redis.Client]bool{}
	for _, shard := range Shards() {
		node, err := cluster.MasterForKey(ctx, markerName(shard))
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
