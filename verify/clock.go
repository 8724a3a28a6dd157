package verify

import (
	"sync/atomic"
	"time"
)

// clockMaxAge is for how long the store's clock is reckoned from the last reply that told it.
const clockMaxAge = 100 * time.Millisecond

// storeClock reckons what the store's clock says, for batches that decide nothing by it and so
// do not ask: reading it is a good part of the work of a small batch. Such a time says when
// something was, as in the counts of usage; nothing is decided by it. The zero value has
// not heard the store's clock yet. It is safe for concurrent use.
type storeClock struct {
	heard atomic.Int64 // ns since start, when it was heard last; 0 for never
	ahead atomic.Int64 // ms, of this process's clock since start
}

// stale reports whether the store has to be asked for its time.
func (c *storeClock) stale(now int64) bool {
	heard := c.heard.Load()
	return heard == 0 || now-heard > int64(clockMaxAge)
}

// note takes note of a time that the store told just now, in unix ms.
func (c *storeClock) note(told int64) {
	now := max(1, int64(time.Since(start)))
	c.ahead.Store(told - now/1e6)
	c.heard.Store(now)
}

// now returns the time of the store, in unix ms.
func (c *storeClock) now() int64 { return c.ahead.Load() + int64(time.Since(start))/1e6 }
