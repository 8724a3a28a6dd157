package catalog

import (
	"context"
	"maps"
	"slices"
	"sync"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
)

// coldReads reads definitions that this gateway does not have, each once however many
// requests wait for it, and those of a workspace together: a burst of requests on a
// gateway that has just been started is a few calls. What is wanted while a call is on
// its way is read by the next one.
//
// Who waits may have begun to wait after Redis was asked. That is safe for those who
// confirm the revision of what was read in the call that spends, and for nobody else:
// who shows things as they are now calls fetch.
type coldReads struct {
	store      *Catalog
	mu         sync.Mutex
	workspaces map[string]*coldQueue // those of which something is being read
}

// coldQueue is what is read of one workspace.
type coldQueue struct {
	wanted  map[string]*coldRead // the call that reads a definition
	waiting []*coldRead          // not sent yet
}

// coldRead is one call.
type coldRead struct {
	needs []Need
	done  chan struct{} // closed when it is over
	err   error
}

// maxColdRead bounds how many definitions one call reads: Redis is busy with it for about as
// long as with a batch of verifications.
const maxColdRead = 64

// read returns when all that is needed was read.
func (c *coldReads) read(ctx context.Context, ws string, needs []Need) error {
	for _, call := range c.join(ws, needs) {
		select {
		case <-call.done:
		case <-ctx.Done():
			return redisdb.Unavailable(ctx.Err())
		}
		if unavailable(call.err) {
			return call.err
		}
		if call.err != nil { // it may be about what others need
			return c.store.Fetch(ctx, ws, needs)
		}
	}
	return nil
}

// join returns the calls that read what is needed, and sees to it that they are sent.
func (c *coldReads) join(ws string, needs []Need) []*coldRead {
	c.mu.Lock()
	defer c.mu.Unlock()
	q, sending := c.workspaces[ws]
	if !sending {
		q = &coldQueue{wanted: map[string]*coldRead{}}
	}
	calls := make([]*coldRead, len(needs))
	for i, n := range needs {
		calls[i] = q.add(ws, n)
	}
	if !sending {
		c.workspaces[ws] = q
		go c.send(ws, q)
	}
	return calls
}

// add returns the call that reads a definition, or the revision alone.
func (q *coldQueue) add(ws string, n Need) *coldRead {
	name := string(n.Bucket)
	if n.id != "" {
		name = layout.DefinitionName(ws, n.kind, n.id)
	}
	call, ok := q.wanted[name]
	if ok {
		return call
	}
	if last := len(q.waiting) - 1; last >= 0 && len(q.waiting[last].needs) < maxColdRead {
		call = q.waiting[last]
	} else {
		call = &coldRead{done: make(chan struct{})}
		q.waiting = append(q.waiting, call)
	}
	call.needs = append(call.needs, n)
	q.wanted[name] = call
	return call
}

// send makes one call after the other until nothing of the workspace is wanted.
func (c *coldReads) send(ws string, q *coldQueue) {
	for call := c.next(ws, q); call != nil; call = c.next(ws, q) {
		call.err = c.store.Fetch(context.Background(), ws, call.needs)
		c.end(q, call)
	}
}

// next returns the call that is to be made; nil at the end.
func (c *coldReads) next(ws string, q *coldQueue) *coldRead {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(q.waiting) == 0 {
		delete(c.workspaces, ws)
		return nil
	}
	call := q.waiting[0]
	q.waiting = q.waiting[1:]
	return call
}

// end is the end of a call. Where Redis did not answer it, those that wait behind it have
// waited long enough.
func (c *coldReads) end(q *coldQueue, call *coldRead) {
	c.mu.Lock()
	defer c.mu.Unlock()
	over := []*coldRead{call}
	if unavailable(call.err) {
		over, q.waiting = append(over, q.waiting...), nil
	}
	maps.DeleteFunc(q.wanted, func(_ string, wanted *coldRead) bool { return slices.Contains(over, wanted) })
	for _, one := range over {
		one.err = call.err
		close(one.done)
	}
}

// unavailable reports whether an error says that Redis did not answer.
func unavailable(err error) bool { return err != nil && keys.AsError(err).Kind == keys.KindUnavailable }
