package web

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"tollgate/keys"
)

// Heavy is an endpoint whose answer may be large, such as a list of keys with all their
// metadata. So many of them work at once that a processor is left for the others and
// that their answers take little memory; the rest wait, each workspace in its turn. No
// answer is shortened for it.
func Heavy(e Endpoint) Endpoint {
	e.heavy = true
	return e
}

// turns lets so many work at once. Those that wait are served by owner, one of each in
// turns, and those of one owner in the order in which they came.
type turns struct {
	mu     sync.Mutex
	free   int
	owners []*turnsOf // those that wait, the next to be served first
}

// turnsOf is what waits for one owner.
type turnsOf struct {
	name    string
	waiting []chan struct{} // closed when it is their turn
}

func newTurns() *turns { return &turns{free: max(1, runtime.GOMAXPROCS(0)/2)} }

// take returns when it is the owner's turn, or with the error of ctx. Who took a turn
// ends it.
func (t *turns) take(ctx context.Context, owner string) error {
	turn := t.join(owner)
	if turn == nil {
		return nil
	}
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	if !t.leave(owner, turn) {
		t.end() // it came at the same time
	}
	return ctx.Err()
}

// join takes a turn that is free, and otherwise waits for one.
func (t *turns) join(name string) chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.free > 0 {
		t.free--
		return nil
	}
	turn := make(chan struct{})
	i := slices.IndexFunc(t.owners, func(o *turnsOf) bool { return o.name == name })
	if i < 0 {
		i = len(t.owners)
		t.owners = append(t.owners, &turnsOf{name: name})
	}
	t.owners[i].waiting = append(t.owners[i].waiting, turn)
	return turn
}

// leave gives up waiting, and reports whether the turn had not come.
func (t *turns) leave(name string, turn chan struct{}) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, o := range t.owners {
		at := slices.Index(o.waiting, turn)
		if o.name != name || at < 0 {
			continue
		}
		if o.waiting = slices.Delete(o.waiting, at, at+1); len(o.waiting) == 0 {
			t.owners = slices.Delete(t.owners, i, i+1)
		}
		return true
	}
	return false
}

// end gives the turn to the next, whose owner then waits behind the others.
func (t *turns) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.owners) == 0 {
		t.free++
		return
	}
	next := t.owners[0]
	close(next.waiting[0])
	next.waiting = next.waiting[1:]
	t.owners = slices.Delete(t.owners, 0, 1)
	if len(next.waiting) > 0 {
		t.owners = append(t.owners, next)
	}
}

// turn waits for the call's turn where its endpoint is heavy. The time that Redis has for it
// begins then. The function that it returns ends the turn.
func (c *Call) turn() (end func(), err error) {
	if c.route == nil || !c.route.heavy || c.server == nil {
		return func() {}, nil
	}
	name := ""
	if caller, ok := c.Caller.(*keys.Caller); ok {
		name = caller.WorkspaceID
	}
	if err := c.server.turns.take(c.Context(), name); err != nil {
		return nil, err
	}
	c.ctx.start = time.Now()
	return c.server.turns.end, nil
}
