package redisdb_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"

	"github.com/redis/go-redis/v9"
)

// A store is ready where it takes writes; asking changes nothing.
func TestPing(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		store := store.Open(c, store.Options{Timeout: 10 * time.Second})
		for range 2 {
			if err := store.Ping(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if names := redistest.Names(t, c, "*"); len(names) != 0 {
			t.Errorf("asking leaves %q", names)
		}
		if err := store.Mark(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := store.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// What takes no writes is not ready, and says in which way; what is full takes
// revocations still. Nothing of what the server said, nor of where it is, is in the
// message.
func TestPingOfServerThatRefusesWrites(t *testing.T) {
	ping := func(s *redistest.Server, want keys.Failure) {
		t.Helper()
		store := store.Open(s.Client(), store.Options{Timeout: 5 * time.Second})
		err := keys.AsError(store.Ping(t.Context()))
		if err == nil || err.Kind != keys.KindUnavailable || err.Failure != want || strings.Contains(err.Message, "Redis") || strings.Contains(err.Message, "127.0.0.1") {
			t.Errorf("%+v, want %s", err, want)
		}
	}
	server := redistest.Start(t)
	if err := store.Open(server.Client(), store.Options{}).Mark(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Do("CONFIG", "SET", "min-replicas-to-write", "1")
	ping(server, keys.FailureReadOnly)
	server.Do("CONFIG", "SET", "min-replicas-to-write", "0")
	server.Do("REPLICAOF", "127.0.0.1", "1")
	ping(server, keys.FailureReadOnly)
	server.Do("REPLICAOF", "NO", "ONE")
	server.Do("CONFIG", "SET", "maxmemory", "1")
	ping(server, keys.FailureFull)
	server.Do("CONFIG", "SET", "maxmemory", "0")
	badDisk(t, server)
	ping(server, keys.FailureReadOnly)
	server.Kill()
	ping(server, keys.FailureGone)
	locked := redistest.Start(t, redistest.WithPassword("right"))
	nobody, err := redisdb.Dial("redis://"+locked.Addr(), redisdb.Options{NoDurableWrites: true})
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close()
	gateway := store.Open(nobody, store.Options{})
	if err := keys.AsError(gateway.Ping(t.Context())); err == nil || err.Failure != keys.FailureNotAllowed {
		t.Errorf("without the password: %+v", err)
	}
	locked.Freeze()
	defer locked.Thaw()
	gateway = store.Open(locked.Client(), store.Options{})
	if err := keys.AsError(gateway.Ping(t.Context())); err == nil || err.Failure != keys.FailureSlow {
		t.Errorf("frozen: %+v", err)
	}
}

// badDisk has a server fail to write its snapshot, after which it answers MISCONF.
func badDisk(t *testing.T, s *redistest.Server) {
	t.Helper()
	dir := s.Do("CONFIG", "GET", "dir").(map[any]any)["dir"].(string)
	if err := os.Mkdir(filepath.Join(dir, "dump.rdb"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.Do("CONFIG", "SET", "save", "3600 1")
	s.Do("BGSAVE")
	for began := time.Now(); !strings.Contains(s.Do("INFO", "persistence").(string), "rdb_last_bgsave_status:err"); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatal("the snapshot does not fail")
		}
	}
}
