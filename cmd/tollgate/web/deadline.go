package web

import (
	"context"
	"sync"
	"time"

	"tollgate/keys/audit"
	"tollgate/keys/redisdb"
)

// requestContext carries a request's deadline. Most readers only ask for
// Deadline, which costs nothing; the timer behind Done is made when somebody
// first waits. It ends with the request, and stays valid, ended, after it.
type requestContext struct {
	call     *Call // until it has ended
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

// Value lets contexts made from this one find the timer they share, the store when the
// request began, and the audit log from where it came.
func (r *requestContext) Value(key any) any {
	switch key {
	case redisdb.RequestStart{}:
		return &r.start
	case audit.OriginKey{}:
		return r.origin()
	}
	return r.context().Value(key)
}

// origin returns from where the request came; nil once it was answered.
func (r *requestContext) origin() *audit.Origin {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return nil
	}
	return r.call.Origin()
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
	r.ended, r.call = true, nil
	if r.cancel != nil {
		r.cancel()
	}
}
