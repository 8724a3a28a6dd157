package keys

import (
	_ "embed"
)

// CountersLua defines what scripts know of the index of a key's counters, as local
// functions. It is put in front of a script that makes counters.
//
//go:embed counters.lua
var CountersLua string

//go:embed counterin.lua
var counterInLua string

var counterInScript = NewScript(CountersLua, counterInLua)

// The law: what a caller names makes a bounded number of counters, with an end.
//
//   - The counters that requests with limits of their own make of one key: MaxKeyCounters at
//     once, whatever their windows are. An index in the key's slot lists them, which
//     verify.lua touches only where it makes one. Where it is full those that are gone leave
//     it; what is there stays, because taking it away would reset a limit, and the request
//     is refused. They end with their key.
//   - Those, and the counters of a workspace's namespaces: a budget of the workspace. One
//     record in each slot says how many there are, by when they end. It is approximate: a
//     counter counts for a quarter of its life too long at most, and one whose window is
//     shorter than a minute counts no longer than if it had been used in one window alone.
//   - Stored limits count towards neither: in the key's record, and in the counters of an
//     identity, of which there is one for each limit and duration that was stored.
const (
	MaxKeyCounters     = 128       // as in counters.lua
	DefaultMaxCounters = 1_000_000 // of a workspace
	minShardCounters   = 128
)

// CounterIndex names the index of the counters that requests made of a key.
func CounterIndex(shard, keyID string) string { return counterIndexName(shard, keyID) }

// counterIn is the script call that stores or adopts a counter: see counterin.lua.
func (c counterOwner) counterIn(name, stored string, life int64) invocation {
	if k, _ := c.defined(); k != "" {
		return invocation{[]string{name}, []any{stored, life, ""}}
	}
	life = min(life, 2*min(c.duration, MaxDuration)) // no request may ask for more
	return invocation{[]string{name, counterIndexName(c.shard, c.owner)}, []any{stored, life, c.member()}}
}

// CounterBudget names the record of how many counters requests made in a workspace: on a
// Cluster those in a shard's slot, otherwise all.
func (s *Catalog) CounterBudget(ws, shard string) string {
	if !s.cluster {
		shard = ShardOf(ws)
	}
	return counterBudgetName(shard, ws)
}

// ShardBudget returns how many of the counters that a workspace may have may be counted
// in one record: all of them, or on a Cluster a shard's share.
func (s *Catalog) ShardBudget(workspace int64) int64 {
	if !s.cluster {
		return workspace
	}
	return max(minShardCounters, (workspace+shards-1)/shards)
}
