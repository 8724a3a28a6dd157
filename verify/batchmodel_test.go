package verify

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/ratelimit"
	"tollgate/refill"
)

// shelf is what verify.lua works on, as a model in Go has it: the stored keys, the counters and the
// guards, by their names.
type shelf struct {
	records  map[string]*stored
	counters map[string]ratelimit.Window
	guards   map[string]string
}

// stored is a key of the shelf. Its schedule stands in the record, which the script does not read:
// each call brings it along.
type stored struct {
	text     string // as it was before the batch
	balance  int64
	next     int64
	windows  []ratelimit.Window
	schedule refill.Schedule
	limited  bool
	told     bool // to an entry that did not know it
}

// encode writes a key as keys does.
func (s *stored) encode(prefix layout.Revision, tail string) string {
	b := layout.AppendU56(layout.AppendU56([]byte(prefix), s.balance), s.next)
	b = append(b, byte(len(s.windows)))
	for _, w := range s.windows {
		b = append(b, encodeWindow(w)...)
	}
	return string(b) + tail
}

func encodeWindow(w ratelimit.Window) string {
	return string(layout.AppendU56(layout.AppendU56(layout.AppendU56(nil, w.Index), w.Current), w.Previous))
}

func decodeWindow(s string) ratelimit.Window {
	return ratelimit.Window{Index: layout.U56(s), Current: layout.U56(s[7:]), Previous: layout.U56(s[14:])}
}

// decode takes a key's text apart.
func (s *stored) decode(text string) {
	s.text, s.balance, s.next = text, layout.U56(text[8:]), layout.U56(text[15:])
	s.windows = make([]ratelimit.Window, text[22])
	for i := range s.windows {
		s.windows[i] = decodeWindow(text[layout.HeaderLength(i):])
	}
}

// settle is a key's credits as of now.
func (s *stored) settle(now int64) {
	if s.schedule.Amount > 0 {
		s.balance, s.next = s.schedule.Settle(s.balance, s.next, now)
	}
}

// find returns the key of a call that knows it as it is; otherwise what the call is told.
func (s *shelf) find(c *call) (*stored, *reply) {
	k := s.records[c.record.(string)]
	switch {
	case k == nil:
		return nil, &reply{status: replyAbsent}
	case layout.Revision(k.text[:8]) == c.revision:
		return k, nil
	case k.told:
		return nil, &reply{status: replySame}
	}
	k.told = true
	return nil, &reply{status: replyRecord, stored: k.text}
}

// changed is what a call is told of the first of its guards that does not hold.
func (s *shelf) changed(c *call) *reply {
	for i, g := range c.guards {
		is := layout.Revision(s.guards[g.name.(string)])
		if is != g.revision {
			return &reply{status: replyGuard, guard: i, revision: is}
		}
	}
	return nil
}

// answer decides one call, after those before it, and spends.
func (s *shelf) answer(c *call, now int64) reply {
	var k *stored
	var failure *reply
	if c.record != nil {
		k, failure = s.find(c)
	}
	if failure == nil || failure.status == replyAbsent {
		if g := s.changed(c); g != nil {
			failure = g
		}
	}
	if failure != nil {
		return *failure
	}
	if c.verdict == verdictRefund {
		s.giveBack(c, now)
		return reply{status: replyConfirm}
	}
	left := int64(0)
	if c.hasCredits {
		k.settle(now)
		left = k.balance
	}
	switch {
	case c.verdict == verdictBefore:
		return reply{status: replyConfirm, balance: left}
	case c.expires > 0 && now >= c.expires:
		return reply{status: replyExpired, balance: left}
	case c.verdict == verdictAfter:
		return reply{status: replyConfirm, balance: left}
	}
	r := reply{status: replyValid, balance: left}
	if r.remaining = s.look(c, k, now); slices.ContainsFunc(r.remaining, func(r remaining) bool { return r.denied }) {
		r.status = replyLimited
		return r
	}
	if c.hasCredits && c.cost > left {
		r.status = replyUsed
		return r
	}
	for i, w := range c.windows {
		s.spend(k, w, now)
		r.remaining[i].left -= w.cost
	}
	if c.hasCredits {
		k.balance -= c.cost
		r.balance = k.balance
	}
	return r
}

// look is what each limit of a call has left. Those that share a counter need room for all of them.
func (s *shelf) look(c *call, k *stored, now int64) (rooms []remaining) {
	pending := map[any]int64{}
	for _, w := range c.windows {
		d := ratelimit.Check(s.window(k, w), w.limit, w.duration, 0, now)
		left := d.Remaining
		if !d.Allowed {
			left = -1
		}
		if w.counter != nil {
			left -= pending[w.counter]
			pending[w.counter] += w.cost
		}
		rooms = append(rooms, remaining{left: max(0, left), denied: w.cost > left})
	}
	return rooms
}

func (s *shelf) window(k *stored, w window) ratelimit.Window {
	if w.counter == nil {
		return k.windows[w.slot-1]
	}
	return s.counters[w.counter.(string)]
}

func (s *shelf) spend(k *stored, w window, now int64) {
	is := s.window(k, w).At(now, w.duration)
	is.Current += w.cost
	if w.counter == nil {
		k.windows[w.slot-1] = is
	} else {
		s.counters[w.counter.(string)] = is
	}
}

// refund returns costs to the windows that they were taken from.
func (s *shelf) giveBack(c *call, now int64) {
	for _, w := range c.windows {
		name := w.counter.(string)
		is := s.counters[name].At(now, w.duration)
		switch is.Index {
		case w.limit:
			is.Current = max(0, is.Current-w.cost)
		case w.limit + 1:
			is.Previous = max(0, is.Previous-w.cost)
		}
		s.counters[name] = is
	}
}

// is reports whether a reply is the model's.
func (r reply) is(want reply) bool {
	return r.status == want.status && r.stored == want.stored && r.guard == want.guard && r.revision == want.revision &&
		r.balance == want.balance && slices.Equal(r.remaining, want.remaining)
}

// differs tells where the store is another than the model says; "" where it is not. What passes with
// time alone, a refill that is due or a window that is over, makes no difference.
func (s *shelf) differs(held map[string]string, now int64, durations map[string]int64, slots []int64) string {
	var wrong strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s.records)) {
		k, is := s.records[name], &stored{schedule: s.records[name].schedule}
		text := held[name]
		if len(text) != len(k.text) || text[:8] != k.text[:8] || text[22] != k.text[22] || text[layout.HeaderLength(len(k.windows)):] != k.text[layout.HeaderLength(len(k.windows)):] {
			fmt.Fprintf(&wrong, "%s is %q, was %q\n", name, text, k.text)
			continue
		}
		is.decode(text)
		is.settle(now)
		k.settle(now)
		for i := range is.windows {
			is.windows[i], k.windows[i] = is.windows[i].At(now, slots[i]), k.windows[i].At(now, slots[i])
		}
		if is.balance != k.balance || is.next != k.next || !slices.Equal(is.windows, k.windows) {
			fmt.Fprintf(&wrong, "%s holds %d %d %v, want %d %d %v\n", name, is.balance, is.next, is.windows, k.balance, k.next, k.windows)
		}
		if is.balance > keys.MaxCount || slices.ContainsFunc(is.windows, func(w ratelimit.Window) bool { return max(w.Current, w.Previous) > keys.MaxCount }) {
			fmt.Fprintf(&wrong, "%s holds more than can be counted: %d %v\n", name, is.balance, is.windows)
		}
	}
	for name, duration := range durations {
		want, is := s.counters[name].At(now, duration), ratelimit.Window{}
		if held[name] != "" {
			is = decodeWindow(held[name])
		}
		if is.At(now, duration) != want {
			fmt.Fprintf(&wrong, "%s counts %v, want %v\n", name, is.At(now, duration), want)
		}
	}
	for name, revision := range s.guards {
		if held[name] != revision {
			fmt.Fprintf(&wrong, "%s is %q, want %q\n", name, held[name], revision)
		}
	}
	return wrong.String()
}
