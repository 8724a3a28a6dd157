package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"tollgate/keys"

	"github.com/redis/go-redis/v9"
)

// inspect refuses a Redis that may drop keys, warns of one that forgets them, and
// says which promise each setting buys; durable tells whether writes wait for its
// append-only file. Of a Cluster it looks at every master. A Redis that does not let
// itself be looked at is taken as it is, and said so.
func inspect(ctx context.Context, client redis.UniversalClient, durable bool, log *slog.Logger) error {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return inspectNode(ctx, client, durable, log)
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

// settings are what CONFIG GET says, by name.
type settings map[string]string

// inspectNode looks at one server.
func inspectNode(ctx context.Context, client redis.UniversalClient, durable bool, log *slog.Logger) error {
	s := settings{}
	for _, name := range []string{"maxmemory-policy", "save", "appendonly", "appendfsync", "io-threads", "min-replicas-to-write"} {
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
	if durable {
		if err := client.Info(ctx, "persistence").Err(); err != nil {
			if !forbidden(err) {
				return keys.Unavailable(err)
			}
			log.Warn("Redis does not allow INFO: nobody can wait until it has written its append-only file")
			durable = false
		}
	}
	s.tell(durable, log)
	return nil
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
	if s["min-replicas-to-write"] == "0" {
		log.Info("a failover can forget what was acknowledged just before it: min-replicas-to-write and min-replicas-max-lag bound how much", "min-replicas-to-write", "0")
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
