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

	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/ratelimit"
	"tollgate/refill"

	"github.com/redis/go-redis/v9"
)

//go:embed counters.lua
var countersLua string

//go:embed verify.lua
var verifyLua string

var verifyScript = redisdb.NewScript(redisdb.StructLua, including(verifyLua, fragments{
	"refill.lua": refill.Lua, "window.lua": ratelimit.Lua,
	"counters.lua": including(countersLua, fragments{"layout/counters.lua": layout.CountersLua}),
}))

// fragments are parts of a script, by the names by which it includes them.
type fragments map[string]string

// including puts fragments in the places of a script that name them, each once, in a line such
// as "-- (window.lua)". So they stand in the blocks that need them, and what they define is
// made there: in front of the script each of their functions would be made by every call.
func including(text string, all fragments) string {
	for name, fragment := range all {
		before, after, found := strings.Cut(text, "-- ("+name+")\n")
		if !found {
			panic("verify: a script does not say where " + name + " goes")
		}
		text = before + fragment + after
	}
	return text
}

// Bounds of batches. Redis is busy for some microseconds with each entry,
// so a batch holds everybody else up for less than half a millisecond.
const (
	maxBatch    = 64
	maxWindows  = 256 // of a batch, unless one call alone has more
	maxInFlight = 2
	maxWaiting  = 4096 // in one queue; a later call would wait for longer than queueTimeout
)

var (
	errQueueTimeout = fmt.Errorf("too long in line for the store: %w", redisdb.ErrNotSent)
	errQueueFull    = fmt.Errorf("too many in line for the store: %w", redisdb.ErrNotSent)

	errLate   = redisdb.Unavailable(errQueueTimeout)
	errFull   = redisdb.Unavailable(errQueueFull)
	errUnread = redisdb.Unavailable(errReply)
)

// batcher sends verifications to Redis in batches, at most maxInFlight at a time. A call
// that finds a free slot sends a batch at once, with the calls that are ready by then.
// Calls that come while all slots are taken wait in the queue and are sent together.
type batcher struct {
	client   redis.UniversalClient
	budget   int64 // how many counters of a workspace one record may count
	marker   any   // the name of the store's marker, or the shard's, a string
	observer Observer
	mu       sync.Mutex
	waiting  queue
	inFlight int
	shedder  shedder
	clock    storeClock
}

// do sends a call and waits for its reply. It is sent once at most.
func (l *batcher) do(c *call) error {
	if c.done == nil {
		c.done = make(chan struct{}, 1)
	}
	sends, err := l.enqueue(c)
	if err != nil {
		return err
	}
	if sends {
		// Let goroutines that are ready to run add their calls first: under load batches
		// of one would cost as much as full ones. With none ready this takes no time.
		runtime.Gosched()
		if l.sendBatch() {
			l.releaseSlot()
		}
	}
	<-c.done
	return c.err
}

func (l *batcher) enqueue(c *call) (sends bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting.n == 0 {
		l.shedder.noteIdle(c.began)
	}
	if !l.waiting.push(c, maxWaiting) {
		return false, errFull
	}
	if sends = l.inFlight < maxInFlight; sends {
		l.inFlight++
	}
	return sends, nil
}

// start is the origin of call.began.
var start = time.Now()

// began returns when the verification of a context began, for call.began.
func began(ctx context.Context) int64 { return int64(time.Since(start) - redisdb.Age(ctx)) }

// releaseSlot passes the slot on to the calls that wait, or frees it.
func (l *batcher) releaseSlot() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting.n == 0 {
		l.inFlight--
		return
	}
	go l.sendAll()
}

// sendAll sends batch after batch until no call waits.
func (l *batcher) sendAll() {
	for l.sendBatch() {
	}
}

var batches = sync.Pool{New: func() any { return newBatch() }}

// sendBatch sends one batch, in one script call, and gives each call its
// reply or its error. It returns false, and frees its slot, where no call waits.
func (l *batcher) sendBatch() bool {
	b := batches.Get().(*batch)
	b.budget = l.budget
	if !l.takeBatch(b) {
		b.release()
		return false
	}
	l.dispatch(b)
	return true
}

// dispatch sends the waiters' calls, and has each answered.
func (l *batcher) dispatch(b *batch) {
	b.begin(l.marker)
	b.timed = l.clock.stale(int64(time.Since(start)))
	for _, c := range b.waiters {
		c.err = errUnread
		b.add(c)
	}
	l.send(b)
}

// answerAll gives all waiters their reply or their error, and is the end of
// the batch.
func (b *batch) answerAll() {
	for _, c := range b.waiters {
		c.done <- struct{}{}
	}
	b.release()
}

func (b *batch) release() {
	b.reset()
	batches.Put(b)
}

// answerUnspent answers the calls that spent nothing, while what the others
// spent is waited for to be in the append-only file. Their replies stay right
// where a crash of Redis forgets those uses, as it does for a call that travels alone
// and does not wait: it was so when it was decided, nothing was taken for it, and the
// uses that it saw were not acknowledged to anybody.
func (b *batch) answerUnspent() {
	b.waiters = slices.DeleteFunc(b.waiters, func(c *call) bool {
		if c.err == nil && c.spent() {
			return false
		}
		c.done <- struct{}{} // from here on the call belongs to its caller
		return true
	})
	clear(b.calls[copy(b.calls, b.waiters):])
	b.calls = b.calls[:len(b.waiters)]
}

// takeBatch takes up to a batch of the calls that wait, and refuses those that are late, so
// that under overload a batch is full of calls that can still be answered in time. It
// returns false, and frees the slot, where no call waits.
func (l *batcher) takeBatch(b *batch) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := int64(time.Since(start))
	l.waiting.rejectLate(func(c *call) bool { return l.shedder.late(c, now) }, func(c *call) {
		c.err = errLate
		c.done <- struct{}{}
	})
	b.waiters = l.waiting.take(b.waiters)
	if len(b.waiters) == 0 {
		l.inFlight--
		return false
	}
	l.shedder.noteSent(now)
	if l.waiting.n == 0 {
		l.shedder.noteIdle(now)
	}
	b.age = now - b.oldest(now)
	return true
}

// send sends a batch and answers its calls. The slot is free when Redis has answered:
// calls that wait for the append-only file do so in a goroutine of their own.
func (l *batcher) send(b *batch) {
	ctx, cancel := context.WithTimeout(context.Background(), l.shedder.callTimeout(b.age))
	names := b.appendTexts()
	sent := time.Now()
	answer, err := verifyScript.RunReserved(ctx, l.client, names, b.args, &b.pending)
	if text, ok := answer.(string); ok && err == nil {
		l.shedder.noteReply()
		b.readReplies(text, &l.clock)
	}
	if err == nil && b.pending.Unkept() {
		go l.awaitDurable(ctx, cancel, b, sent)
		return
	}
	cancel()
	l.finish(b, sent, len(b.calls), err)
}

// awaitDurable answers the calls of a batch when what they spent is in the append-only
// file, and those that spent nothing before that.
func (l *batcher) awaitDurable(ctx context.Context, cancel context.CancelFunc, b *batch, sent time.Time) {
	defer cancel()
	calls := len(b.calls)
	b.answerUnspent()
	l.finish(b, sent, calls, b.pending.Settle(ctx))
}

// finish is the end of a batch of so many calls that was sent at a moment.
func (l *batcher) finish(b *batch, at time.Time, calls int, err error) {
	l.observer.Sent(calls, time.Since(at), err)
	if err != nil {
		for _, c := range b.calls {
			c.err = err
		}
	}
	b.answerAll()
}
