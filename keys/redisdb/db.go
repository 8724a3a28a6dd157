package redisdb

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// scanStep is how many names Redis looks at in one command, in which it serves
// nobody else.
const scanStep = 500

// Now reads the store's clock, in unix ms: the one clock of every decision.
func (s *DB) Now(ctx context.Context) (int64, error) {
	ctx, cancel := s.Bounded(ctx)
	defer cancel()
	t, err := s.redis.Time(ctx).Result()
	if err != nil {
		return 0, Unavailable(err)
	}
	return t.UnixMilli(), nil
}

// DB runs commands and scripts on Redis. It is safe for concurrent use.
type DB struct {
	redis   redis.UniversalClient
	cluster bool
	Timeout time.Duration
	name    string // of this process, among those that share a store
}

// NewDB makes a DB on a client. A request waits for Redis for as long as timeout in all, 0 is
// DefaultTimeout. name tells this process from others that share the store.
func NewDB(client redis.UniversalClient, timeout time.Duration, name string) *DB {
	_, cluster := client.(*redis.ClusterClient)
	return &DB{redis: client, cluster: cluster, Timeout: cmp.Or(timeout, DefaultTimeout), name: name}
}

const SweepLease = 5 * time.Second // of the gateway that sweeps; the others wait

// Masters are the servers that together have everything.
func (s *DB) Masters(ctx context.Context) (all []redis.Cmdable, err error) {
	cluster, ok := s.redis.(*redis.ClusterClient)
	if !ok {
		return []redis.Cmdable{s.redis}, nil
	}
	var mu sync.Mutex
	err = cluster.ForEachMaster(ctx, func(_ context.Context, one *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, one)
		return nil
	})
	if err != nil {
		err = Unavailable(err)
	}
	return all, err
}

// ScanStep returns names on a server that fit a pattern, and where to go on; 0 at the end.
func (s *DB) ScanStep(ctx context.Context, server redis.Cmdable, cursor uint64, pattern string) ([]string, uint64, error) {
	ctx, cancel := s.Bounded(ctx)
	defer cancel()
	names, next, err := server.Scan(ctx, cursor, pattern, scanStep).Result()
	if err != nil {
		return nil, 0, Unavailable(err)
	}
	return names, next, nil
}

//go:embed lease.lua
var leaseLua string

// LeaseOf takes or renews the right to sweep, and reports whether this gateway has it. It
// is manners, not safety: a sweep that two make at once is as right.
func (s *DB) LeaseOf(ctx context.Context, name string) (bool, error) {
	reply, err := s.Run(ctx, leaseScript, []string{name}, s.name, SweepLease.Milliseconds())
	return err == nil && Number(reply[0]) == 1, err
}

// Redis is the client that the store was opened with, for those who run scripts
// on the same layout.
func (s *DB) Redis() redis.UniversalClient { return s.redis }

// Cluster reports whether the store is a Redis Cluster, where one script sees one slot.
func (s *DB) Cluster() bool { return s.cluster }

var leaseScript = NewScript(leaseLua)

// Run is Run within the store's time limit.
func (s *DB) Run(ctx context.Context, script *Script, names []string, args ...any) ([]any, error) {
	ctx, cancel := s.Bounded(ctx)
	defer cancel()
	reply, err := script.Run(ctx, s.redis, names, args...)
	if err != nil {
		return nil, err
	}
	list, ok := reply.([]any)
	if !ok || len(list) == 0 {
		return nil, Unavailable(errors.New("a script's reply is not a list"))
	}
	return list, nil
}

// Pipelined sends plain commands together, within the store's time limit. A
// missing value is not a failure.
func (s *DB) Pipelined(ctx context.Context, fill func(redis.Pipeliner)) error {
	ctx, cancel := s.Bounded(ctx)
	defer cancel()
	sent, err := s.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		fill(p)
		return nil
	})
	if err == nil {
		return nil
	}
	for _, cmd := range sent { // the first error may be a missing value, with a failure behind it
		if err := cmd.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return Unavailable(err)
		}
	}
	if !errors.Is(err, redis.Nil) { // of the connection: nothing was sent, and no command has an error
		return Unavailable(err)
	}
	return nil
}
