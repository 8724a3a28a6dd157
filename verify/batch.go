package verify

import (
	"context"
	_ "embed"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"tollgate/keys"
	"tollgate/ratelimit"
	"tollgate/refill"

	"github.com/redis/go-redis/v9"
)

//go:embed counters.lua
var countersLua string

//go:embed verify.lua
var verifyLua string

var verifyScript = keys.NewScript(refill.Lua, ratelimit.Lua, withCounters(countersLua), verifyLua)

// withCounters puts the functions of keys.CountersLua inside the one that alone needs them:
// outside they would be made by every call.
func withCounters(text string) string {
	before, after, found := strings.Cut(text, "  -- (keys/counters.lua)\n")
	if !found {
		panic("verify: counters.lua does not say where keys.CountersLua goes")
	}
	return before + keys.CountersLua + after
}

// How verifications travel. Redis is busy for some microseconds with each entry,
// so a batch holds everybody else up for less than half a millisecond.
const (
	maxBatch    = 64
	maxWindows  = 256 // of a batch, unless one call alone has more
	maxInFlight = 2
	maxWaiting  = 4096 // in one line; who comes then would wait for longer than patience
)

var (
	errPatience = fmt.Errorf("too long in line for the store: %w", keys.ErrNotSent)
	errCrowded  = fmt.Errorf("too many in line for the store: %w", keys.ErrNotSent)

	errLate   = keys.Unavailable(errPatience)
	errFull   = keys.Unavailable(errCrowded)
	errUnread = keys.Unavailable(errReply)
)

// line is where verifications wait while others are on their way. One that finds
// room on the way leads: it leaves at once with those who are ready by then. Those
// that come meanwhile leave together.
type line struct {
	client   redis.UniversalClient
	budget   int64 // how many counters of a workspace one record may count
	marker   any   // the name of the store's marker, or the shard's, a string
	observer Observer
	mu       sync.Mutex
	waiting  queue
	onTheWay int
	lateness lateness
}

// do sends a call and waits for its reply. It is sent once at most.
func (l *line) do(c *call) error {
	if c.done == nil {
		c.done = make(chan struct{}, 1)
	}
	leads, err := l.join(c)
	if err != nil {
		return err
	}
	if leads {
		// Whoever is ready to run comes along: under load batches of one would cost
		// as much as full ones. With nobody ready this takes no time.
		runtime.Gosched()
		if l.carry() {
			l.leave()
		}
	}
	<-c.done
	return c.err
}

func (l *line) join(c *call) (leads bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting.n == 0 {
		l.lateness.idle(c.began)
	}
	if !l.waiting.push(c, maxWaiting) {
		return false, errFull
	}
	if leads = l.onTheWay < maxInFlight; leads {
		l.onTheWay++
	}
	return leads, nil
}

// start is the origin of call.began.
var start = time.Now()

// began is when the verification of a context began, for call.began.
func began(ctx context.Context) int64 { return int64(time.Since(start) - keys.Age(ctx)) }

// leave hands the place on the way to those who wait, or gives it up.
func (l *line) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting.n == 0 {
		l.onTheWay--
		return
	}
	go l.drain()
}

// drain takes batch after batch until nobody waits.
func (l *line) drain() {
	for l.carry() {
	}
}

var batches = sync.Pool{New: func() any { return newBatch() }}

// carry takes one batch there and back, in one script call, and gives each call its
// reply or its error. Where nobody waits it gives up its place on the way and tells so.
func (l *line) carry() bool {
	b := batches.Get().(*batch)
	b.budget = l.budget
	if !l.board(b) {
		b.release()
		return false
	}
	l.dispatch(b)
	return true
}

// dispatch sends those aboard, and has each told.
func (l *line) dispatch(b *batch) {
	for _, c := range b.aboard {
		c.err = errUnread
		b.add(c)
	}
	l.send(b)
}

// tell gives all that are still aboard their reply or their error, and is the end of
// the batch.
func (b *batch) tell() {
	for _, c := range b.aboard {
		c.done <- struct{}{}
	}
	b.release()
}

func (b *batch) release() {
	b.reset()
	batches.Put(b)
}

// tellUnspent gives the calls that spent nothing their replies, while what the others
// spent is waited for to be in the append-only file. What they are told stays right
// where a crash of Redis forgets those uses, as it does for a call that travels alone
// and does not wait: it was so when it was decided, nothing was taken for it, and the
// uses that it saw were not acknowledged to anybody.
func (b *batch) tellUnspent() {
	b.aboard = slices.DeleteFunc(b.aboard, func(c *call) bool {
		if c.err == nil && c.spent() {
			return false
		}
		c.done <- struct{}{} // from here on it is its owner's
		return true
	})
	clear(b.calls[copy(b.calls, b.aboard):])
	b.calls = b.calls[:len(b.aboard)]
}

// board takes up to a batch of those who wait, and refuses those who are late, so that
// under overload a batch is full of those who can still be answered. With nobody it gives
// up the place on the way.
func (l *line) board(b *batch) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := int64(time.Since(start))
	l.waiting.turnAway(func(c *call) bool { return l.lateness.late(c, now) }, func(c *call) {
		c.err = errLate
		c.done <- struct{}{}
	})
	b.aboard = l.waiting.take(b.aboard)
	if len(b.aboard) == 0 {
		l.onTheWay--
		return false
	}
	l.lateness.asked(now)
	if l.waiting.n == 0 {
		l.lateness.idle(now)
	}
	b.age = now - b.oldest(now)
	return true
}

// send sends a batch and tells its calls. The place on the way is free when Redis has
// answered: what waits for the append-only file does so elsewhere.
func (l *line) send(b *batch) {
	ctx, cancel := context.WithTimeout(context.Background(), l.lateness.exchange(b.age))
	names := b.seal(l.marker)
	sent := time.Now()
	answer, err := verifyScript.RunReserved(ctx, l.client, names, b.args, &b.pending)
	if text, ok := answer.(string); ok && err == nil {
		l.lateness.heard()
		b.scatter(text)
	}
	if err == nil && b.pending.Unkept() {
		go l.settle(ctx, cancel, b, sent)
		return
	}
	cancel()
	l.sent(b, sent, len(b.calls), err)
}

// settle tells the calls of a batch when what they spent is kept, the others before.
func (l *line) settle(ctx context.Context, cancel context.CancelFunc, b *batch, sent time.Time) {
	defer cancel()
	calls := len(b.calls)
	b.tellUnspent()
	l.sent(b, sent, calls, b.pending.Settle(ctx))
}

// sent is the end of a batch of so many calls that was sent at a moment.
func (l *line) sent(b *batch, at time.Time, calls int, err error) {
	l.observer.Sent(calls, time.Since(at), err)
	if err != nil {
		for _, c := range b.calls {
			c.err = err
		}
	}
	b.tell()
}
