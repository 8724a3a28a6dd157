package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"tollgate/keys"

	"github.com/redis/go-redis/v9"
)

// inspect refuses a Redis that may drop keys or is a replica, warns of one that forgets
// them, and says which promise each setting buys; durable tells whether writes wait for its
// append-only file. Of a Cluster it looks at every master. A Redis that does not let
// itself be looked at is taken as it is, and said so.
func inspect(ctx context.Context, client redis.UniversalClient, durable bool, log *slog.Logger) error {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		err := inspectNode(ctx, client, durable, log)
		if errors.Is(err, keys.ErrReplica) && !watched(client) {
			return usageError{"Redis at --redis is a replica, whose answers may be out of date: name its master"}
		}
		return err
	}
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		return inspectNode(ctx, node, durable, log.With("node", node.Options().Addr))
	})
	var found *keys.Error
	if err == nil || errors.As(err, &usageError{}) || errors.As(err, &found) {
		return err
	}
	return keys.Unavailable(err) // the Cluster did not say who its masters are
}

// watched reports whether sentinels say which server the client is to use. In the middle
// of a failover that may be a replica still.
func watched(client redis.UniversalClient) bool {
	one, ok := client.(*redis.Client)
	return ok && one.Options().Addr == "FailoverClient"
}

// settings are what CONFIG GET says, by name.
type settings map[string]string

// inspectNode looks at one server.
func inspectNode(ctx context.Context, client redis.UniversalClient, durable bool, log *slog.Logger) error {
	if err := client.Info(ctx, "persistence").Err(); err != nil {
		if forbidden(err) || errors.Is(err, keys.ErrInfo) {
			return usageError{"the user of --redis may not use INFO, by which Tollgate knows that it talks to a master and what is in the append-only file: allow it with +info"}
		}
		return keys.Unavailable(err)
	}
	s := settings{}
	for _, name := range []string{"maxmemory-policy", "save", "appendonly", "appendfsync", "io-threads", "min-replicas-to-write", "min-replicas-max-lag"} {
		got, err := client.ConfigGet(ctx, name).Result()
		if err == nil {
			s[name] = got[name]
			continue
		}
		if !forbidden(err) {
			return keys.Unavailable(err)
		}
		log.Warn("Redis does not allow CONFIG GET: could not check that maxmemory-policy is noeviction, nor whether it keeps anything across a restart")
		return nil
	}
	if policy := s["maxmemory-policy"]; policy != "noeviction" {
		return usageError{fmt.Sprintf("Redis has maxmemory-policy %s, which can drop keys: set it to noeviction", policy)}
	}
	if err := keys.SetReplicaRule(ctx, client, s.number("min-replicas-to-write"), s.number("min-replicas-max-lag")); err != nil {
		return keys.Unavailable(err)
	}
	s.tell(durable, log)
	return nil
}

// number is a setting that is a number, 0 where it is none.
func (s settings) number(name string) int {
	n, _ := strconv.Atoi(s[name])
	return n
}

// forbidden tells a command that Redis does not allow or does not have from a failure
// that passes.
func forbidden(err error) bool {
	return strings.HasPrefix(err.Error(), "NOPERM") || strings.HasPrefix(err.Error(), "ERR unknown command")
}

// tell says what the settings promise: a warning where they promise too little.
func (s settings) tell(durable bool, log *slog.Logger) {
	switch {
	case s["appendonly"] == "yes":
		log.Info("Redis keeps an append-only file: acknowledged changes survive its restart", "appendfsync", s["appendfsync"], "a crash of its machine", s.atRisk(), "a crash of Redis alone", s.atRiskAlone(durable))
	case strings.TrimSpace(s["save"]) != "":
		log.Warn("Redis keeps snapshots alone: a crash forgets what changed since the last one; set appendonly yes, so that acknowledged changes survive", "save", s["save"])
	default:
		log.Warn("Redis keeps nothing across a restart: set appendonly yes, so that acknowledged changes survive")
	}
	s.tellReplicas(log)
}

// longLag is the longest min-replicas-max-lag, in seconds, that is not warned of.
const longLag = 2

// tellReplicas says what a failover can lose, and for how long a master that was cut off
// from its replicas goes on answering.
func (s settings) tellReplicas(log *slog.Logger) {
	lag := s.number("min-replicas-max-lag")
	switch wanted := s.number("min-replicas-to-write"); {
	case wanted == 0 || lag == 0:
		log.Info("a failover can forget what was acknowledged just before it, and a master that is cut off from its replicas goes on answering: min-replicas-to-write and min-replicas-max-lag bound both", "min-replicas-to-write", wanted)
	case lag > longLag:
		log.Warn("a master that is cut off from its replicas goes on answering for min-replicas-max-lag and a second: set it to 2 seconds or less", "min-replicas-max-lag", lag)
	}
}

// atRisk is what a crash of the whole machine can lose.
func (s settings) atRisk() string {
	switch s["appendfsync"] {
	case "always":
		return "loses nothing"
	case "everysec":
		return "can lose the last second"
	}
	return "can lose what the kernel had not written yet"
}

// atRiskAlone is what a crash of Redis can lose. With everysec it answers before it
// writes while an fsync in the background is under way, for up to two seconds.
func (s settings) atRiskAlone(durable bool) string {
	switch threads := s["io-threads"]; {
	case s["appendfsync"] == "everysec" && !durable:
		return "can lose what was acknowledged during an fsync, up to two seconds"
	case s["appendfsync"] != "always" && threads != "" && threads != "1":
		return "can lose what was acknowledged in the moment before, if this is Redis 8: with io-threads it answers before it writes"
	}
	return "loses nothing"
}
