package keys

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"
)

// Options of a Store. The zero value works.
type Options struct {
	Sealer      *Sealer       // seals plaintexts of recoverable keys; nil refuses them
	Timeout     time.Duration // how long a request waits for Redis in all; 0 is DefaultTimeout
	Definitions int           // how many definitions are kept decoded; 0 is 100,000
	Retention   time.Duration // of usage counts; 0 is 90 days
	// DeletedRetention is for how long the record of a soft-deleted key is kept beside its
	// tombstone, with its metadata and its sealed plaintext; 0 is not at all.
	DeletedRetention time.Duration
}

// Store keeps keys and definitions in Redis. It is safe for concurrent use.
type Store struct {
	redis     redis.UniversalClient
	cluster   bool
	timeout   time.Duration
	sealer    *Sealer
	retention time.Duration // of usage counts
	name      string        // of this gateway, among those that share a store

	deletedRetention time.Duration // of records of soft-deleted keys; 0 for none
	tombstones       tombstonePass

	marked      atomic.Bool // this process has seen every marker of the store, see marker.go
	definitions *otter.Cache[string, cached]
	revisions   sync.Map // revisionName → observedRevision: the newest that was read
	cold        *coldReads
	matching    *matching
	claims      claimIndex
	folding     singleflight.Group // by what is made anew, and of what
}

// Open makes a Store on a client made by Dial. It does not talk to Redis: Ping does.
func Open(client redis.UniversalClient, o Options) *Store {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Definitions == 0 {
		o.Definitions = 100_000
	}
	if o.Retention == 0 {
		o.Retention = 90 * 24 * time.Hour
	}
	_, cluster := client.(*redis.ClusterClient)
	s := &Store{
		redis: client, cluster: cluster, timeout: o.Timeout, sealer: o.Sealer, retention: o.Retention, name: NewID("gw"), deletedRetention: o.DeletedRetention,
		definitions: otter.Must(&otter.Options[string, cached]{MaximumSize: o.Definitions}),
	}
	s.matching = newMatching()
	s.cold = &coldReads{store: s, workspaces: map[string]*coldQueue{}}
	return s
}

// Redis is the client that the store was opened with, for those who run scripts
// on the same layout.
func (s *Store) Redis() redis.UniversalClient { return s.redis }

// Cluster reports whether the store is a Redis Cluster, where one script sees one slot.
func (s *Store) Cluster() bool { return s.cluster }
