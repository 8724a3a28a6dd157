package web

import (
	"context"
	"sync"
	"time"

	"tollgate/keys/redisdb"
)

// requestContext carries a request's deadline. Most readers only ask for
// Deadline, which costs nothing; the timer behind Done is made when somebody
// first waits. It ends with the request, and stays valid, ended, after it.
type requestContext struct {
	base     context.Context
	start    time.Time
	deadline time.Time

	mu     sync.Mutex
	inner  context.Context
	cancel context.CancelFunc
	ended  bool
}

// Deadline is when the request's time is up.
func (r *requestContext) Deadline() (time.Time, bool) { return r.deadline, true }

// Done is closed when the request is over, out of time, or the server stops.
func (r *requestContext) Done() <-chan struct{} { return r.context().Done() }

// Err says why Done is closed.
func (r *requestContext) Err() error { return r.context().Err() }

// Value lets contexts made from this one find the timer they share, and the store
// when the request began.
func (r *requestContext) Value(key any) any {
	if key == (redisdb.RequestStart{}) {
		return &r.start
	}
	return r.context().Value(key)
}

func (r *requestContext) context() context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inner == nil {
		r.inner, r.cancel = context.WithDeadline(r.base, r.deadline)
		if r.ended {
			r.cancel()
		}
	}
	return r.inner
}

// end is called when the request has been answered.
func (r *requestContext) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	if r.cancel != nil {
		r.cancel()
	}
}
