package main

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"

	"tollgate/keys"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

// inspect looks at every master of a store as the program does when it starts. It
// returns a usageError for one that may drop keys, that loses what it acknowledged, that
// is a replica, or that does not let itself be asked; and logs what the settings of the
// others promise, a warning where they promise too little. durable reports whether
// writes wait for the append-only file.
func inspect(ctx context.Context, client redis.UniversalClient, durable bool, log *slog.Logger) ([]finding, error) {
	found, err := examine(redisdb.Inspecting(ctx), client, durable)
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		if f.level >= alarming {
			return nil, usageError{f.text}
		}
	}
	for _, f := range found {
		f.log(log)
	}
	return found, nil
}

// level says what follows from a finding.
type level int

const (
	telling  level = iota // is said at start
	warning               // likewise
	alarming              // ends the start; while running it is logged and counted
	unfit                 // ends the start; while running every request is answered 503
)

// finding is what the settings of one server say.
type finding struct {
	level level
	name  string // of the setting, for the metric
	node  string // its address, on a Cluster alone
	text  string
	attrs []any
}

func (f finding) log(log *slog.Logger) {
	attrs := f.attrs
	if f.node != "" {
		attrs = append([]any{"node", f.node}, attrs...)
	}
	at := []slog.Level{telling: slog.LevelInfo, warning: slog.LevelWarn, alarming: slog.LevelError, unfit: slog.LevelError}[f.level]
	log.Log(context.Background(), at, f.text, attrs...)
}

// examine looks at every master and returns what its settings say, for the start and
// for the watch that goes on while the program runs.
func examine(ctx context.Context, client redis.UniversalClient, durable bool) ([]finding, error) {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		found, err := examineNode(ctx, client, durable)
		if errors.Is(err, redisdb.ErrReplica) && !watched(client) {
			return nil, usageError{"Redis at --redis is a replica, whose answers may be out of date: name its master"}
		}
		return found, err
	}
	var mu sync.Mutex
	var all []finding
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		found, err := examineNode(ctx, node, durable)
		mu.Lock()
		defer mu.Unlock()
		for _, f := range found {
			f.node = node.Options().Addr
			all = append(all, f)
		}
		return err
	})
	var known *keys.Error
	if err == nil || errors.As(err, &usageError{}) || errors.As(err, &known) {
		return all, err
	}
	return nil, redisdb.Unavailable(err) // the Cluster did not say who its masters are
}

// watched reports whether sentinels say which server the client is to use. In the middle
// of a failover that may be a replica still.
func watched(client redis.UniversalClient) bool {
	one, ok := client.(*redis.Client)
	return ok && one.Options().Addr == "FailoverClient"
}

// settings are what CONFIG GET says, by name, and some fields of INFO.
type settings map[string]string

// wanted are the settings that are asked for.
var wanted = []string{"maxmemory-policy", "save", "appendonly", "appendfsync", "io-threads", "min-replicas-to-write", "min-replicas-max-lag"}

// examineNode looks at one server, and tells its connections how many replicas it wants.
func examineNode(ctx context.Context, client redis.UniversalClient, durable bool) ([]finding, error) {
	s, err := readSettings(ctx, client)
	if err != nil {
		return nil, err
	}
	if !s.guessed() {
		if err := redisdb.SetReplicaRule(ctx, client, s.number("min-replicas-to-write"), s.number("min-replicas-max-lag")); err != nil {
			return nil, redisdb.Unavailable(err)
		}
	}
	var all []finding
	for _, judge := range []func(settings, bool) *finding{eviction, threads, persistence, replicas} {
		if f := judge(s, durable); f != nil {
			all = append(all, *f)
		}
	}
	return all, nil
}

// readSettings asks a server for its settings; where it does not allow CONFIG, for those
// that INFO knows.
func readSettings(ctx context.Context, client redis.UniversalClient) (settings, error) {
	s := settings{}
	for _, section := range []string{"server", "memory", "persistence"} {
		text, err := client.Info(ctx, section).Result()
		switch {
		case err == nil:
			s.add(text)
		case forbidden(err) || errors.Is(err, redisdb.ErrInfo):
			return nil, usageError{"the user of --redis may not use INFO, by which Tollgate knows that it talks to a master and what is in the append-only file: allow it with +info"}
		default:
			return nil, redisdb.Unavailable(err)
		}
	}
	for _, name := range wanted {
		got, err := client.ConfigGet(ctx, name).Result()
		switch {
		case err == nil:
			s[name] = got[name]
		case forbidden(err):
			s["maxmemory-policy"] = s["maxmemory_policy"]
			return s, nil
		default:
			return nil, redisdb.Unavailable(err)
		}
	}
	return s, nil
}

// add takes the fields of a reply of INFO.
func (s settings) add(info string) {
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			s[name] = value
		}
	}
}

// guessed reports whether CONFIG was not allowed.
func (s settings) guessed() bool {
	_, ok := s["min-replicas-max-lag"]
	return !ok
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
