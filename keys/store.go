package keys

import (
	"cmp"
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
	// DeletedRetention is for how long the record of a soft-deleted key is kept beside its
	// tombstone, with its metadata and its sealed plaintext; 0 is not at all.
	DeletedRetention time.Duration
}

// DB runs commands and scripts on Redis. It is safe for concurrent use.
type DB struct {
	redis   redis.UniversalClient
	cluster bool
	timeout time.Duration
	name    string // of this process, among those that share a store
}

// Catalog keeps the definitions of workspaces in Redis, and reads them through a cache.
// It is safe for concurrent use.
type Catalog struct {
	*DB
	marked      atomic.Bool // this process has seen every marker of the store, see marker.go
	definitions *otter.Cache[string, cached]
	revisions   sync.Map // revisionName → observedRevision: the newest that was read
	cold        *coldReads
	matching    *matching
	folding     singleflight.Group // by what is made anew, and of what
}

// Store keeps keys in Redis. It is safe for concurrent use.
type Store struct {
	*Catalog
	sealer           *Sealer
	deletedRetention time.Duration // of records of soft-deleted keys; 0 for none
	tombstones       tombstonePass
}

// UsageReader answers questions about usage.
type UsageReader struct {
	store     *Store
	retention time.Duration
}

// NewUsageReader reads the usage of a store's keys. retention is how long usage counts
// are kept; 0 is 90 days.
func NewUsageReader(s *Store, retention time.Duration) *UsageReader {
	return &UsageReader{s, cmp.Or(retention, 90*24*time.Hour)}
}

// SetupStore keeps setup keys and groups.
type SetupStore struct {
	*Store
	claims claimIndex
}

// NewSetupStore keeps setup keys in a store.
func NewSetupStore(s *Store) *SetupStore { return &SetupStore{Store: s} }

// TransferStore exports and imports workspaces.
type TransferStore struct {
	*SetupStore
	usage *UsageReader
}

// NewTransferStore exports from a store and imports into it.
func NewTransferStore(s *SetupStore, usage *UsageReader) *TransferStore {
	return &TransferStore{s, usage}
}

// Open makes a Store on a client made by Dial. It does not talk to Redis: Ping does.
func Open(client redis.UniversalClient, o Options) *Store {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Definitions == 0 {
		o.Definitions = 100_000
	}
	_, cluster := client.(*redis.ClusterClient)
	c := &Catalog{
		DB:          &DB{redis: client, cluster: cluster, timeout: o.Timeout, name: NewID("gw")},
		definitions: otter.Must(&otter.Options[string, cached]{MaximumSize: o.Definitions}),
	}
	c.matching = newMatching()
	c.cold = &coldReads{store: c, workspaces: map[string]*coldQueue{}}
	return &Store{Catalog: c, sealer: o.Sealer, deletedRetention: o.DeletedRetention}
}

// Redis is the client that the store was opened with, for those who run scripts
// on the same layout.
func (s *DB) Redis() redis.UniversalClient { return s.redis }

// Cluster reports whether the store is a Redis Cluster, where one script sees one slot.
func (s *DB) Cluster() bool { return s.cluster }
