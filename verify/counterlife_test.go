package verify_test

import (
	"testing"
	"time"

	"tollgate/keys/redisdb/redistest"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// A counter lives until the window after its own is over, whose room it weighs on, and
// not for ever: the uses that follow the first neither end it early nor keep it.
func TestCounterOutlivesTheNextWindow(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		const duration = 3600_000
		check := verify.LimitCheck{Namespace: "n", Identifier: "one", Limit: 100, Duration: duration, Cost: 1}
		for use := range 3 {
			all, _ := w.limit(w.Gateway, check)
			if want := int64(99 - use); all[0].Remaining != want {
				t.Fatalf("use %d leaves %d, want %d", use, all[0].Remaining, want)
			}
			counters := w.counters()
			if len(counters) != 1 {
				t.Fatalf("%d counters, want 1", len(counters))
			}
			for name := range counters {
				life := c.PTTL(t.Context(), name).Val()
				least := time.Until(time.UnixMilli(all[0].Reset + duration))
				if life < least-2*time.Second || life > 2*duration*time.Millisecond {
					t.Errorf("after use %d the counter lives for %v, want %v to %v", use, life, least, 2*duration*time.Millisecond)
				}
			}
		}
	})
}
