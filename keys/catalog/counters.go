package catalog

import (
	"context"
	_ "embed"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
)

//go:embed counterin.lua
var counterInLua string

var counterInScript = redisdb.NewScript(redisdb.StateLua, layout.CountersLua, counterInLua)

// RunCounters stores or adopts counters by the calls of CounterIn. It returns the reply of each.
func (s *Catalog) RunCounters(ctx context.Context, calls []redisdb.Invocation) ([][]any, error) {
	return s.RunAll(ctx, counterInScript, calls)
}

// CounterIn is the script call that stores or adopts a counter: see counterin.lua.
func CounterIn(c layout.CounterOwner, name, stored string, life int64) redisdb.Invocation {
	if k, _ := c.Defined(); k != "" {
		return redisdb.Invocation{Names: []string{name}, Args: []any{stored, life, ""}}
	}
	life = min(life, 2*min(c.Duration, keys.MaxDuration)) // no request may ask for more
	return redisdb.Invocation{Names: []string{name, layout.CounterIndexName(c.Shard, c.Owner)}, Args: []any{stored, life, c.Member()}}
}
