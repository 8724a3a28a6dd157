package turns

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"tollgate/keys/redisdb"
)

// Queue bounds how much work that is heavy goes on at once, such as an answer with a list
// of keys and all their metadata. The rest waits. Those that wait are served by owner, a
// workspace, one of each in turns, and those of one owner in the order in which they came.
//
// Heavy work rests for as long as it works: a Turn's Rest in the midst of it and the time
// behind its end see to that. So it uses a half of the processors that it may use, however
// much of it there is, and what is light finds one that is free.
type Queue struct {
	mu     sync.Mutex
	free   int
	owners []*turnsOf // those that wait, the next to be served first
}

// turnsOf is what waits for one owner.
type turnsOf struct {
	name    string
	waiting []chan struct{} // closed when it is their turn
}

// A Turn is its owner's until its End. The methods of a nil Turn do nothing. It is not safe
// for concurrent use.
type Turn struct {
	queue  *Queue
	worked time.Time // when the work began that no rest has followed yet
}

var errNoTurn = fmt.Errorf("too many heavy calls at once: %w", redisdb.ErrNotSent)

// Rests.
const (
	briefWork   = 200 * time.Microsecond // what no rest follows at a turn's end
	longWork    = time.Millisecond       // what a rest follows in the midst of a turn
	longestRest = 100 * time.Millisecond
)

// New returns turns for half of the processors, for one at least.
func New() *Queue { return &Queue{free: max(1, runtime.GOMAXPROCS(0)/2)} }

// Take waits for the owner's turn. Where ctx ends before, it returns KindUnavailable: nothing
// was sent to the store.
func (t *Queue) Take(ctx context.Context, owner string) (*Turn, error) {
	if turn := t.join(owner); turn != nil {
		select {
		case <-turn:
		case <-ctx.Done():
			if !t.leave(owner, turn) {
				t.end() // it came at the same time
			}
			return nil, redisdb.Unavailable(errNoTurn)
		}
	}
	return &Turn{queue: t, worked: time.Now()}, nil
}

// Rest sleeps as long as the turn has worked since it began or rested, at most longestRest,
// once that is longWork. Work that comes in parts calls it between them.
func (t *Turn) Rest() {
	if t == nil {
		return
	}
	if took := time.Since(t.worked); took >= longWork {
		time.Sleep(min(took, longestRest))
		t.worked = time.Now()
	}
}

// End passes the turn on, behind a rest for what has worked since the last one.
func (t *Turn) End() {
	if t == nil {
		return
	}
	took := time.Since(t.worked)
	if took <= briefWork {
		t.queue.end()
		return
	}
	time.AfterFunc(min(took, longestRest), t.queue.end)
}

// join takes a turn that is free, and otherwise waits for one.
func (t *Queue) join(name string) chan struct{} {
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
func (t *Queue) leave(name string, turn chan struct{}) bool {
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

// end passes the turn to the next, whose owner then waits behind the others.
func (t *Queue) end() {
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
