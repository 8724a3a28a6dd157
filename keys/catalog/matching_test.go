package catalog

import (
	"testing"
	"testing/synctest"
	"time"

	"tollgate/keys"
	"tollgate/keys/redisdb"
	"tollgate/keys/turns"
)

// Who waits for a search among patterns does so no longer than for Redis, and is told that
// nothing was spent.
func TestASearchWaitsNoLongerThanForRedis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Catalog{DB: &redisdb.DB{Timeout: 250 * time.Millisecond}, matching: &matching{turns: &turns.Queue{}}}
		began := time.Now()
		_, err := s.search(t.Context(), "ws", &keys.Namespace{}, "identifier")
		if err == nil || keys.AsError(err).Kind != keys.KindUnavailable || !redisdb.NotRun(err) || time.Since(began) != s.Timeout {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}
