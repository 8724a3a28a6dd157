package catalog

import (
	"context"
	"slices"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

// A store that lost its data looks like one in which nothing was ever created: every key
// would be not found. So a store has a marker from its first use on, on a Cluster one in
// each shard, and an absent record is believed only where the marker is there: verify.lua
// looks at it in the same call. A store of an older release gets its markers when it is
// first used by this one.
//
// A store without a marker is taken for a new one by a process that never saw one in it.
// On a Cluster, where one master may lose its data, it is not as long as another shard
// has a marker that says that all were there ('1'): so all are written as '0' first.

const (
	markerBegun    = "0"
	markerComplete = "1"
)

// Marker names the marker that has to be there for a record of a shard to be absent.
func (s *Catalog) Marker(shard string) string {
	if !s.Cluster() {
		shard = ""
	}
	return layout.MarkerName(shard)
}

// markerShards are the shards that have a marker, "" for the whole store.
func (s *Catalog) markerShards() []string {
	if s.Cluster() {
		return layout.Shards()
	}
	return []string{""}
}

// Mark returns nil where the store has its markers, and makes them where it is new to
// this process and has none. It returns KindUnavailable with ErrLost where the store has
// lost its data. Call it before the first use of a store.
func (s *Catalog) Mark(ctx context.Context) error {
	for again := true; ; again = false {
		markers, err := s.markers(ctx)
		if err != nil {
			return err
		}
		missing, complete := slices.Contains(markers, ""), slices.Contains(markers, markerComplete)
		switch {
		case !missing && !slices.Contains(markers, markerBegun):
			s.marked.Store(true)
			return nil
		case !missing || !complete && !s.marked.Load():
			return s.Accept(ctx)
		case !again: // they were read one after the other: somebody may have made them meanwhile
			return redisdb.Unavailable(redisdb.ErrLost)
		}
	}
}

// Accept makes the markers of a store as it is, also of one that has lost its data:
// what is absent from then on is not found.
func (s *Catalog) Accept(ctx context.Context) (err error) {
	switch in, err := s.FindWorkspace(ctx, keys.DefaultWorkspace); {
	case err == nil:
		within, end := s.Audit.Begin(ctx, keys.Operator(in), audit.AcceptStore)
		ctx = within
		defer end(&err)
		if err := audit.Intend(ctx, true, func() []audit.Changed { return []audit.Changed{{Type: "store"}} }); err != nil {
			return err
		}
	case keys.AsError(err).Kind != keys.KindNotFound:
		return err
	}
	for _, state := range []string{markerBegun, markerComplete} {
		var all []redisdb.Invocation
		for _, shard := range s.markerShards() {
			all = append(all, redisdb.Invocation{Names: []string{layout.MarkerName(shard)}, Args: []any{state}})
		}
		if _, err := s.RunAll(ctx, markScript, all); err != nil {
			return err
		}
	}
	s.marked.Store(true)
	return nil
}

// Lost reports whether markers are missing in the store; KindUnavailable where it does not say.
func (s *Catalog) Lost(ctx context.Context) (bool, error) {
	markers, err := s.markers(ctx)
	return slices.Contains(markers, ""), err
}

// Intact returns KindUnavailable with ErrLost where markers are missing in the store, or
// where it does not say. What a read did not find while the store is intact is absent.
func (s *Catalog) Intact(ctx context.Context) error {
	switch lost, err := s.Lost(ctx); {
	case err != nil:
		return err
	case lost:
		return redisdb.Unavailable(redisdb.ErrLost)
	}
	return nil
}

// markers reads all markers; "" for one that is missing.
func (s *Catalog) markers(ctx context.Context) ([]string, error) {
	shards := s.markerShards()
	found := make([]*redis.StringCmd, len(shards))
	err := s.Pipelined(ctx, func(p redis.Pipeliner) {
		for i, shard := range shards {
			found[i] = p.Get(ctx, layout.MarkerName(shard))
		}
	})
	if err != nil {
		return nil, err
	}
	states := make([]string, len(shards))
	for i, cmd := range found {
		states[i] = cmd.Val()
	}
	return states, nil
}
