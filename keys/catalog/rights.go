package catalog

import (
	"context"
	"fmt"
	"strings"

	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
)

// commands are those that the user of Redis must be allowed to use, on names that begin
// with tg: . docs/operations.md has them as a line of ACL SETUSER.
var commands = strings.Fields(`
	auth hello ping select info config|get time eval evalsha multi exec
	del exists expire get getrange mget mset persist pexpire pexpireat pttl rename scan set setrange strlen ttl type unlink
	hdel hexists hget hgetall hincrby hlen hmget hscan hset hsetnx
	llen lpush lrange ltrim rpush scard smembers sscan
	zadd zcard zcount zlexcount zrange zrangebylex zrangebyscore zrem zremrangebyrank zremrangebyscore zrevrange zscan zscore`)

// clusterCommands are needed on a Cluster besides.
var clusterCommands = []string{"asking", "cluster|slots"}

// Rights returns KindUnavailable with FailureNotAllowed, and an error that names them,
// where the user may not use some commands. Redis before 7 does not say.
func (s *Catalog) Rights(ctx context.Context) error {
	wanted := commands
	if s.Cluster() {
		wanted = append(wanted[:len(wanted):len(wanted)], clusterCommands...)
	}
	args := make([]any, len(wanted))
	for i, command := range wanted {
		args[i] = command
	}
	var all []redisdb.Invocation
	for _, shard := range s.oneShardEach(ctx) {
		all = append(all, redisdb.Invocation{Names: []string{layout.MarkerName(shard)}, Args: args})
	}
	replies, err := s.RunAll(ctx, rightsScript, all)
	if err != nil {
		return err
	}
	for _, reply := range replies {
		var missing []string
		for _, command := range reply[1:] {
			missing = append(missing, "+"+redisdb.Text(command))
		}
		if len(missing) > 0 {
			return redisdb.Unavailable(fmt.Errorf("%w: allow %s on ~tg:*", redisdb.ErrRights, strings.Join(missing, " ")))
		}
	}
	return nil
}
