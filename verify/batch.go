package verify

import (
	"context"
	_ "embed"
	"errors"
	"sync"
	"time"

	"tollgate/keys"
	"tollgate/ratelimit"
	"tollgate/refill"

	"github.com/redis/go-redis/v9"
)

//go:embed verify.lua
var verifyLua string

var verifyScript = keys.NewScript(refill.Lua, ratelimit.Lua, verifyLua)

// How verifications travel. Redis is busy for some microseconds with each entry,
// so a batch holds everybody else up for less than half a millisecond.
const (
	maxBatch    = 64
	maxWindows  = 256 // of a batch, unless one call alone has more
	maxInFlight = 2
)

// Time limits that keep an answer within 300 ms when the store is gone: one that
// waited in line for longer than patience is refused without being sent.
const (
	patience  = 100 * time.Millisecond
	roundtrip = 170 * time.Millisecond
)

var errPatience = errors.New("too long in line for the store")

// line is where verifications wait while others are on their way. One that finds
// nobody on the way leaves at once; those that come meanwhile leave together.
type line struct {
	client   redis.UniversalClient
	mu       sync.Mutex
	waiting  []*call
	onTheWay int
}

// do sends a call and waits for its reply. It is sent once at most.
func (l *line) do(c *call) error {
	l.mu.Lock()
	if l.onTheWay >= maxInFlight {
		c.queued = int64(time.Since(start))
		c.done = make(chan struct{})
		l.waiting = append(l.waiting, c)
		l.mu.Unlock()
		<-c.done
		return c.err
	}
	l.onTheWay++
	l.mu.Unlock()
	l.travel([]*call{c})
	l.leave()
	return c.err
}

// start is the origin of queued.
var start = time.Now()

// leave hands the place on the way to those who wait, or gives it up.
func (l *line) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		l.onTheWay--
		return
	}
	go l.drain()
}

// drain takes batch after batch until nobody waits.
func (l *line) drain() {
	for {
		calls := l.next()
		if calls == nil {
			return
		}
		l.travel(calls)
		for _, c := range calls {
			close(c.done)
		}
	}
}

// next takes up to a batch of those who wait; nil gives up the place on the way.
func (l *line) next() []*call {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		l.onTheWay--
		l.waiting = nil
		return nil
	}
	n, windows := 0, 0
	for n < min(maxBatch, len(l.waiting)) && (n == 0 || windows+len(l.waiting[n].windows) <= maxWindows) {
		windows += len(l.waiting[n].windows)
		n++
	}
	calls := l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	return calls
}

var batches = sync.Pool{New: func() any { return &batch{index: map[string]int{}} }}

// travel sends calls in one script call and gives each its reply or its error.
func (l *line) travel(calls []*call) {
	b := batches.Get().(*batch)
	defer func() {
		b.reset()
		batches.Put(b)
	}()
	now := int64(time.Since(start))
	for _, c := range calls {
		if c.queued != 0 && now-c.queued > int64(patience) {
			c.err = keys.Unavailable(errPatience)
			continue
		}
		c.err = keys.Unavailable(errReply)
		b.add(c)
	}
	if len(b.calls) > 0 {
		l.send(b)
	}
}

func (l *line) send(b *batch) {
	ctx, cancel := context.WithTimeout(context.Background(), roundtrip)
	defer cancel()
	answer, err := verifyScript.Run(ctx, l.client, b.names, b.blob)
	if err != nil {
		for _, c := range b.calls {
			c.err = err
		}
		return
	}
	if text, ok := answer.(string); ok {
		b.scatter(text)
	}
}
