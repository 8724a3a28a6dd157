package redisdb_test

import (
	"strings"
	"testing"

	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"

	"github.com/redis/go-redis/v9"
)

// Where a connection is refused, no command of a pipeline has an error of its own. That is a
// failure, and not values that are missing.
func TestARefusedConnectionIsNoMissingValue(t *testing.T) {
	server := redistest.Start(t, redistest.WithPassword("right"))
	for password, fails := range map[string]bool{"right": false, "wrong": true} {
		client, err := redisdb.Dial(strings.Replace(server.URL(), "right", password, 1), redisdb.Options{NoDurableWrites: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		db := redisdb.NewDB(client, 0, "test")
		var reply *redis.StringCmd
		err = db.Pipelined(t.Context(), func(p redis.Pipeliner) { reply = p.Get(t.Context(), "none") })
		if (err != nil) != fails {
			t.Errorf("with the %s password: %v, %v", password, err, reply)
		}
	}
}
