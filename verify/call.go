package verify

import (
	"errors"
	"slices"
	"strings"

	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
)

// What a call asks of verify.lua.
const (
	verdictNone   = 0 // decide
	verdictBefore = 1 // confirm a refusal that comes before expiry
	verdictAfter  = 2 // confirm a refusal that comes after expiry
	verdictRefund = 3 // give back what was taken from the limits
)

// The first byte of an entry's reply; verify.lua says what follows it.
const (
	replyAbsent  = 'A'
	replyLost    = 'M'
	replyRecord  = 'R'
	replySame    = 'S'
	replyGuard   = 'G'
	replyValid   = 'V'
	replyLimited = 'L'
	replyUsed    = 'U'
	replyExpired = 'E'
	replyConfirm = 'C'
	replyKeyFull = 'I' // as many counters as the key may have
	replyFull    = 'W' // as many as the workspace may have
)

// unknownRevision is the revision of a record that the gateway does not have: it matches
// none, so the record comes back.
const unknownRevision layout.Revision = "\xff\xff\xff\xff\xff\xff\xff\xff"

// noRevision is the revision that stands for a guard that does not exist.
const noRevision layout.Revision = "\x00\x00\x00\x00\x00\x00\x00\x00"

// guard is a revision that must still stand.
type guard struct {
	name     any // a string
	revision layout.Revision
}

// window is one limit of a call: in a slot of the record, counted from one, or in
// a counter of its own.
type window struct {
	slot      int
	counter   any   // a string; nil for a slot
	index     any   // of the key's counters, which lists it; nil for none
	budget    any   // of the workspace, which counts it; nil for none
	crossSlot bool  // it is the identity's, which a Cluster keeps in another slot
	limit     int64 // for verdictRefund: the window that it was taken from
	duration  int64
	cost      int64
}

// call is one entry of a batch: a verification on its way, and its reply.
type call struct {
	workspace  string // whose turn it uses; "" where that is not known yet
	shard      string // on a Cluster, what decides its slot
	timed      bool   // whoever reads the reply decides by its time
	record     any    // the name, a string; nil for limits alone
	revision   layout.Revision
	slots      int
	guards     []guard
	verdict    byte
	expires    int64
	hasCredits bool
	cost       int64
	amount     int64 // of the refill; 0 for none
	day        int
	windows    []window

	began int64         // monotonic ns when the request began; 0 has all the time there is
	done  chan struct{} // takes one word when the reply or the error is there
	reply reply
	err   error
}

// spent reports whether a call that was answered has taken anything, or given it back.
func (c *call) spent() bool {
	switch {
	case c.verdict == verdictRefund:
		return true
	case c.reply.status != replyValid:
		return false
	}
	return c.hasCredits && c.cost > 0 || slices.ContainsFunc(c.windows, func(w window) bool { return w.cost > 0 })
}

// reply is what verify.lua answered to a call.
type reply struct {
	status    byte
	now       int64
	stored    string          // replyRecord
	guard     int             // replyGuard: which, counted from zero
	revision  layout.Revision // replyGuard: what it holds
	balance   int64
	remaining []remaining
	inline    [4]remaining // what rooms is made of where it suffices
}

// remaining is what is left of a limit.
type remaining struct {
	left   int64
	denied bool
}

// batch collects the calls that are sent together, in buffers that are used again.
//
// Names are boxed where they are made, once: go-redis takes arguments of any type.
type batch struct {
	waiters      []*call // those that wait for an answer
	calls        []*call // those of them that are sent
	args         []any   // keys.Reserved places, then the names
	index        map[string]int
	counters     []any // their names, which stand behind the others
	counterIndex map[string]int
	guardSets    [][]guard // those of the calls, each once: most calls have the same
	guardText    []byte    // what is asked: the time, the guards and, in the end, the calls
	callText     []byte    // the calls, as text
	ownerText    []byte    // what the counters count towards, as text
	budget       int64     // how many counters of a workspace one record may count
	timed        bool      // whether the time is asked for

	pending redisdb.Pending
	age     int64 // ns, of the oldest call when it left
}

func newBatch() *batch {
	return &batch{args: make([]any, redisdb.Reserved), index: map[string]int{}, counterIndex: map[string]int{}}
}

// oldest is when the first of the requests began; now for what gives back.
func (b *batch) oldest(now int64) int64 {
	for _, c := range b.waiters {
		if c.began != 0 {
			now = min(now, c.began)
		}
	}
	return now
}

func (b *batch) reset() {
	clear(b.waiters)
	clear(b.calls)
	clear(b.args)
	clear(b.index)
	clear(b.counters)
	clear(b.counterIndex)
	clear(b.guardSets)
	b.pending, b.timed = redisdb.Pending{}, false
	b.waiters, b.calls, b.args, b.guardSets = b.waiters[:0], b.calls[:0], b.args[:redisdb.Reserved], b.guardSets[:0]
	b.counters, b.guardText, b.callText, b.ownerText = b.counters[:0], b.guardText[:0], b.callText[:0], b.ownerText[:0]
}

// names counts the names in args.
func (b *batch) names() int { return len(b.args) - redisdb.Reserved }

// begin puts the marker of the store, a string, in front of the names. The text of what is
// asked begins with 1 whether the time is, 1 how many sets of guards there are, and 2 how many
// guards in all.
func (b *batch) begin(marker any) {
	b.args = append(b.args, marker)
	b.guardText = append(b.guardText, 0, 0, 0, 0)
}

// appendTexts puts the counters and the texts behind the names, and returns how many names
// there are then.
func (b *batch) appendTexts() int {
	b.args = append(b.args, b.counters...)
	names := b.names()
	if b.timed {
		b.guardText[0] = 1
	}
	guards := (len(b.guardText) - 4) / guardSize
	b.guardText[1], b.guardText[2], b.guardText[3] = byte(len(b.guardSets)), byte(guards>>8), byte(guards)
	b.guardText = append(b.guardText, b.callText...)
	b.args = append(b.args, b.guardText)
	if len(b.counters) > 0 {
		b.args = append(b.args, b.ownerText)
	}
	return names
}

// appendNumber appends a name's place in KEYS, counted from one; 0 for none.
func (b *batch) appendNumber(text []byte, name any) []byte {
	if name == nil {
		return append(text, 0, 0)
	}
	n, ok := b.index[name.(string)]
	if !ok {
		b.args = append(b.args, name)
		n = b.names()
		b.index[name.(string)] = n
	}
	return append(text, byte(n>>8), byte(n))
}

// appendCounter is appendNumber for a counter: its place behind the other names. The
// text of the owners is 7 the budget, and for each counter 2 number of its index, 2 of
// the record of its budget. So those names are declared wherever the script may come to
// make a counter, and it looks at them only where it does.
func (b *batch) appendCounter(text []byte, w *window) []byte {
	if w.counter == nil {
		return append(text, 0, 0)
	}
	n, ok := b.counterIndex[w.counter.(string)]
	if !ok {
		b.counters = append(b.counters, w.counter)
		n = len(b.counters)
		b.counterIndex[w.counter.(string)] = n
		if n == 1 {
			b.ownerText = layout.AppendU56(b.ownerText, b.budget)
		}
		b.ownerText = b.appendNumber(b.appendNumber(b.ownerText, w.index), w.budget)
	}
	return append(text, byte(n>>8), byte(n))
}

// guardSize is how many bytes a guard is written as.
const guardSize = 12

// guardSet returns the place of a set of guards among those of the batch, counted from
// one; 0 for none. A guard is written as 1 its set, 1 its place in it, counted from one, 2 the
// number of its name, 8 revision.
func (b *batch) guardSet(guards []guard) byte {
	if len(guards) == 0 {
		return 0
	}
	for i := len(b.guardSets) - 1; i >= 0; i-- {
		if slices.Equal(b.guardSets[i], guards) {
			return byte(i + 1)
		}
	}
	b.guardSets = append(b.guardSets, guards)
	for i, g := range guards {
		b.guardText = append(b.guardText, byte(len(b.guardSets)), byte(i+1))
		b.guardText = b.appendNumber(b.guardText, g.name)
		b.guardText = append(b.guardText, padded(g.revision)...)
	}
	return byte(len(b.guardSets))
}

// add writes a call behind the others:
//
//	2 the record's number, 8 its revision, 1 set of guards, 1 verdict, 1 slots,
//	1 limits, 1 limited, 7 expires, 7 cost, 7 refill amount, 1 refill day,
//	for each limit 2 number of its counter, 1 slot, 7 limit, 7 duration, 7 cost
func (b *batch) add(c *call) {
	b.calls = append(b.calls, c)
	b.timed = b.timed || c.timed || c.expires > 0 || c.amount > 0 || len(c.windows) > 0
	limited := byte(0)
	if c.hasCredits {
		limited = 1
	}
	text := b.appendNumber(b.callText, c.record)
	text = append(text, padded(c.revision)...)
	text = append(text, b.guardSet(c.guards), c.verdict, byte(c.slots), byte(len(c.windows)), limited)
	text = layout.AppendU56(text, c.expires)
	text = layout.AppendU56(text, c.cost)
	text = layout.AppendU56(text, c.amount)
	text = append(text, byte(c.day))
	for i := range c.windows {
		w := &c.windows[i]
		text = b.appendCounter(text, w)
		text = append(text, byte(w.slot))
		text = layout.AppendU56(text, w.limit)
		text = layout.AppendU56(text, w.duration)
		text = layout.AppendU56(text, w.cost)
	}
	b.callText = text
}

// padded is a revision as the script compares it.
func padded(p layout.Revision) layout.Revision {
	if p == "" {
		return noRevision
	}
	return p
}

var errReply = errors.New("verify.lua answered something that can't be read")

// readReplies reads the text that answers a batch and gives each call its reply, with the
// time by the store's clock. It reports whether all of it could be read; calls that it did not reach stay as
// they are.
func (b *batch) readReplies(text string, clock *storeClock) bool {
	r := reader{text: text}
	now := r.number()
	if now != 0 {
		clock.note(now)
	} else {
		now = clock.now()
	}
	for _, c := range b.calls {
		if !r.ok() {
			return false
		}
		r.reply(c)
		c.reply.now = now
		if r.ok() {
			c.err = nil
		}
	}
	return r.ok()
}

// reader takes a reply apart. Past a fault it gives zeros.
type reader struct {
	text   string
	broken bool
}

func (r *reader) ok() bool { return !r.broken }

func (r *reader) take(n int64) string {
	if r.broken || n < 0 || int64(len(r.text)) < n {
		r.broken = true
		return ""
	}
	s := r.text[:n]
	r.text = r.text[n:]
	return s
}

func (r *reader) number() int64 {
	s := r.take(7)
	if s == "" {
		return 0
	}
	return layout.U56(s)
}

func (r *reader) byte() byte {
	s := r.take(1)
	if s == "" {
		return 0
	}
	return s[0]
}

func (r *reader) reply(c *call) {
	p := &c.reply
	*p = reply{status: r.byte()}
	switch p.status {
	case replyAbsent, replyLost, replySame:
	case replyRecord:
		p.stored = r.take(r.number())
	case replyGuard:
		p.guard = int(r.byte()) - 1
		p.revision = layout.Revision(strings.Clone(r.take(8)))
		if p.revision == noRevision {
			p.revision = ""
		}
		r.broken = r.broken || p.guard < 0 || p.guard >= len(c.guards)
	case replyExpired, replyConfirm, replyValid, replyLimited, replyUsed, replyKeyFull, replyFull:
		p.balance = r.number()
		if p.status == replyValid || p.status == replyLimited || p.status == replyUsed {
			p.remaining = r.all(p.inline[:0], len(c.windows))
		}
	default:
		r.broken = true
	}
}

// all appends n of them.
func (r *reader) all(all []remaining, n int) []remaining {
	for range n {
		all = append(all, remaining{left: r.number(), denied: r.byte() == 1})
	}
	return all
}
