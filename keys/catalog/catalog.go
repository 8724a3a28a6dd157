package catalog

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"tollgate/keys/audit"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"
)

// Includes reports whether some are all among all.
func Includes(all, some []string) bool {
	return !slices.ContainsFunc(some, func(one string) bool { return !slices.Contains(all, one) })
}

// Catalog keeps the definitions of workspaces in Redis, and reads them through a cache.
// It is safe for concurrent use.
type Catalog struct {
	*redisdb.DB
	Audit       *audit.Log  // who changed what; nil keeps nothing
	marked      atomic.Bool // this process has seen every marker of the store, see marker.go
	definitions *otter.Cache[string, cached]
	revisions   sync.Map // revisionName → observedRevision: the newest that was read
	cold        *coldReads
	matching    *matching
	folding     singleflight.Group // by what is made anew, and of what
}

const DefaultMaxCounters = 1_000_000 // of a workspace

// New makes a Catalog that keeps so many definitions decoded; 0 is 100,000.
func New(db *redisdb.DB, decoded int) *Catalog {
	c := &Catalog{
		DB:          db,
		definitions: otter.Must(&otter.Options[string, cached]{MaximumSize: cmp.Or(decoded, 100_000)}),
		matching:    newMatching(),
	}
	c.cold = &coldReads{store: c, workspaces: map[string]*coldQueue{}}
	return c
}

const minShardCounters = 128

// CounterBudget names the record of how many counters requests made in a workspace: on a
// Cluster those in a shard's slot, otherwise all.
func (s *Catalog) CounterBudget(ws, shard string) string {
	if !s.Cluster() {
		shard = layout.ShardOf(ws)
	}
	return layout.CounterBudgetName(shard, ws)
}

// ShardBudget returns how many of the counters that a workspace may have may be counted
// in one record: all of them, or on a Cluster a shard's share.
func (s *Catalog) ShardBudget(workspace int64) int64 {
	if !s.Cluster() {
		return workspace
	}
	return max(minShardCounters, (workspace+layout.ShardCount-1)/layout.ShardCount)
}
