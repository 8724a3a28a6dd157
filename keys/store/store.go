package store

import (
	"errors"
	"time"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/catalog"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

// Options of a Store. The zero value works.
type Options struct {
	Sealer      *Sealer       // seals plaintexts of recoverable keys; nil refuses them
	Timeout     time.Duration // how long a request waits for Redis in all; 0 is DefaultTimeout
	Definitions int           // how many definitions are kept decoded; 0 is 100,000
	// DeletedRetention is for how long the record of a soft-deleted key is kept beside its
	// tombstone, with its metadata and its sealed plaintext; 0 is not at all.
	DeletedRetention time.Duration
	Audit            audit.Options // of the log of who changed what; the zero value keeps none
}

// Store keeps keys in Redis. It is safe for concurrent use. A service needs the methods
// listed here, and those of the Catalog for APIs, roles and what else keys refer to.
type Store struct {
	*Records
}

// Records are the records of keys as they are stored, beneath a Store. They are no API: they
// are for the packages that keep something beside the keys, and check no caller's rights.
type Records struct {
	*catalog.Catalog
	sealer           *Sealer
	deletedRetention time.Duration // of records of soft-deleted keys; 0 for none
}

// Dial makes a Store on the Redis at a URL, in one of the forms of redisdb.Dial. It does not
// connect yet: Ping does. Writes are acknowledged when they are in Redis's append-only file,
// if it keeps one. Close it when it is not used any more.
func Dial(url string, o Options) (*Store, error) {
	client, err := redisdb.Dial(url, redisdb.Options{Timeout: o.Timeout})
	if err != nil {
		return nil, err
	}
	return Open(client, o), nil
}

// Close waits a moment for the audit log, and closes the connections to Redis.
func (s *Store) Close() error { return errors.Join(s.Audit.Close(), s.Redis().Close()) }

// Open makes a Store on a client of redisdb.Dial. It does not talk to Redis: Ping does.
func Open(client redis.UniversalClient, o Options) *Store {
	c := catalog.New(redisdb.NewDB(client, o.Timeout, keys.NewID("gw")), o.Definitions)
	c.Audit = audit.New(c.DB, o.Audit)
	return &Store{&Records{c, o.Sealer, o.DeletedRetention}}
}
