package redisdb

import (
	"context"
	"time"
)

// RequestStart is the key of a value that a context may hold: a *time.Time, when the
// request began for which the store is asked. Several exchanges may make up one
// request, and its answer must not be late when the store is gone.
type RequestStart struct{}

// leastWait is how long a request waits for the store that was going on for longer
// than the store's timeout already.
const leastWait = 50 * time.Millisecond

// Age tells for how long the request of a context has been going on; 0 where the
// context does not know.
func Age(ctx context.Context) time.Duration {
	if began, ok := ctx.Value(RequestStart{}).(*time.Time); ok {
		return time.Since(*began)
	}
	return 0
}

// Bounded is ctx within the time that one more exchange may take.
func (s *DB) Bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := s.Timeout
	if age := Age(ctx); age > 0 {
		limit = min(limit, max(s.Timeout-age, leastWait))
	}
	return context.WithTimeout(ctx, limit)
}
