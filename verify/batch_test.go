package verify

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/ratelimit"
	"tollgate/refill"

	"github.com/redis/go-redis/v9"
)

// draws are choices, made from a fuzzer's bytes; where there are none left each is the first.
type draws []byte

func (d *draws) take(n int) []byte {
	var all [8]byte
	*d = (*d)[copy(all[:n], *d):]
	return all[:n]
}

// below draws from 0 to n-1.
func (d *draws) below(n int) int { return int(binary.LittleEndian.Uint16(append(d.take(1), 0))) % n }

// one draws one time out of n, and not where nothing is left.
func (d *draws) one(n int) bool { return d.below(n) == n-1 }

// count draws a number of uses: mostly a small one, or an end of what there can be, or any.
func (d *draws) count() int64 {
	ends := []int64{10, 100, 1 << 32, 1 << 45, keys.MaxCount - 1, keys.MaxCount}
	if i := d.below(len(ends) + 30); i < 29 {
		return int64(i % 4)
	} else if i -= 29; i < len(ends) {
		return ends[i]
	}
	return int64(binary.LittleEndian.Uint64(d.take(8)) >> 11)
}

// about draws a number of uses that is next to n, or any.
func (d *draws) about(n int64) int64 {
	if d.one(4) {
		return d.count()
	}
	return min(keys.MaxCount, max(0, n-1+int64(d.below(3))))
}

// The durations of the limits in each slot of a key, and of the counters, whose names have them.
var (
	slotDurations = func() (all []int64) {
		for i := range keys.MaxKeyLimits {
			all = append(all, []int64{60_000, ratelimit.MinDuration, 86_400_000, ratelimit.MaxDuration, 1001}[i%5])
		}
		return all
	}()
	counterDurations = map[string]int64{
		"tg:w:{00}minute": 60_000, "tg:w:{00}short": ratelimit.MinDuration, "tg:w:{00}long": ratelimit.MaxDuration, "tg:w:{00}odd": 7_777_777,
	}
	counterNames = []string{"tg:w:{00}minute", "tg:w:{00}short", "tg:w:{00}long", "tg:w:{00}odd"}
	recordNames  = []string{"tg:k:{00}plain", "tg:k:{00}daily", "tg:k:{00}most", "tg:k:{00}monthly", "tg:k:{00}none"}
	guardNames   = []string{"tg:v:{00}a", "tg:v:{00}b", "tg:v:{00}c"}
)

// rig is a store with a shelf in it.
type rig struct {
	tb     testing.TB
	client redis.UniversalClient
	names  []string
	shelf  *shelf
	back   bool // the clock was set back
}

// marker is what a store has in which an absent record is believed to be absent.
const marker = "tg:m:{00}"

func newRig(tb testing.TB, client redis.UniversalClient) *rig {
	r := &rig{tb: tb, client: client, names: slices.Concat(recordNames, counterNames, guardNames)}
	r.must(client.Set(tb.Context(), marker, "1", 0).Err())
	return r
}

func (r *rig) must(err error) {
	r.tb.Helper()
	if err != nil {
		r.tb.Fatal(err)
	}
}

// held is what the store has under each name.
func (r *rig) held() map[string]string {
	r.tb.Helper()
	values, err := r.client.MGet(context.Background(), r.names...).Result()
	r.must(err)
	all := map[string]string{}
	for i, v := range values {
		if text, ok := v.(string); ok {
			all[r.names[i]] = text
		}
	}
	return all
}

func (r *rig) now() int64 {
	r.tb.Helper()
	t, err := r.client.Time(context.Background()).Result()
	r.must(err)
	return t.UnixMilli()
}

func revision(n int) layout.Revision { return layout.Revision(layout.AppendU56([]byte("1"), int64(n))) }

// window draws one that was used about now, or lies ahead because the clock was set back.
func (d *draws) window(now, duration int64) ratelimit.Window {
	return ratelimit.Window{Index: max(0, now/duration-[]int64{0, 0, 1, -1, 2}[d.below(5)]), Current: d.count(), Previous: d.count()}
}

// fill puts a shelf into the empty store.
func (r *rig) fill(d *draws) {
	r.tb.Helper()
	now := r.now()
	r.shelf = &shelf{records: map[string]*stored{}, counters: map[string]ratelimit.Window{}, guards: map[string]string{}}
	pipe := r.client.Pipeline()
	defer func() { _, err := pipe.Exec(context.Background()); r.must(err) }()
	for i, slots := range []int{0, 2, keys.MaxKeyLimits, 3} {
		k := &stored{limited: i != 2, balance: d.count(), windows: make([]ratelimit.Window, slots)}
		if i == 1 || i == 3 {
			k.schedule = refill.Schedule{Amount: max(1, d.count()), Day: (i - 1) * 31 / 2}
			k.next = k.schedule.Next(now - int64(d.below(3))*86_400_000*int64(1+d.below(40)))
		}
		for j := range k.windows {
			k.windows[j] = d.window(now, slotDurations[j])
		}
		k.text = k.encode(revision(7), "the record itself")
		r.shelf.records[recordNames[i]] = k
		pipe.Set(context.Background(), recordNames[i], k.text, 0)
	}
	for _, name := range counterNames {
		if !d.one(2) {
			continue
		}
		w := d.window(now, counterDurations[name])
		r.shelf.counters[name] = w
		pipe.Set(context.Background(), name, encodeWindow(w), time.Duration(3*counterDurations[name])*time.Millisecond)
	}
	for i, name := range guardNames[:2] {
		r.shelf.guards[name] = string(revision(i))
		pipe.Set(context.Background(), name, r.shelf.guards[name], 0)
	}
}

// call draws one that the verifier could send.
func (d *draws) call(s *shelf, now int64) *call {
	c := &call{verdict: []byte{verdictBefore, verdictAfter, verdictNone}[min(2, d.below(12))]}
	for range d.below(4) {
		name := guardNames[d.below(len(guardNames))]
		is := layout.Revision(s.guards[name])
		if d.one(4) {
			is = []layout.Revision{revision(99), ""}[d.below(2)]
		}
		c.guards = append(c.guards, guard{name, is})
	}
	switch d.below(8) {
	case 7:
		c.verdict, c.guards = verdictRefund, nil
		for range 1 + d.below(3) {
			w := d.counter(s)
			w.limit = max(0, now/w.duration+1-int64(d.below(4)))
			c.windows = append(c.windows, w)
		}
		return c
	case 6, 5:
		c.verdict = verdictNone
		for range 1 + d.below([]int{3, MaxLimitChecks}[d.below(2)]) {
			c.windows = append(c.windows, d.counter(s))
		}
		return c
	}
	name := recordNames[d.below(len(recordNames))]
	c.record, c.revision, c.cost = name, []layout.Revision{revision(7), revision(7), revision(7), revision(7), revision(6), unknownRevision}[d.below(6)], d.count()
	if d.one(6) {
		c.expires = []int64{now, now - 1, now + 3_600_000, 1, keys.MaxTime}[d.below(5)]
	}
	if k := s.records[name]; k != nil {
		c.hasCredits, c.slots, c.amount, c.day = k.limited, len(k.windows), k.schedule.Amount, k.schedule.Day
		c.cost = d.about(k.balance)
		if c.verdict == verdictBefore && d.one(2) { // as a key is confirmed that is hidden from who asks
			c.hasCredits, c.amount = false, 0
			return c
		}
		few := 1 + d.below(30) // otherwise hardly any call passes all of many
		for i := range k.windows {
			if d.below(few) == 0 {
				w := window{slot: i + 1, duration: slotDurations[i], cost: d.count()}
				w.limit = max(1, d.about(k.windows[i].Current+w.cost+int64(d.below(2))*k.windows[i].Previous))
				c.windows = append(c.windows, w)
			}
		}
	}
	for range d.below(3) {
		c.windows = append(c.windows, d.counter(s))
	}
	return c
}

func (d *draws) counter(s *shelf) window {
	name := counterNames[d.below(len(counterNames))]
	w := window{counter: name, crossSlot: true, duration: counterDurations[name], cost: d.count()}
	w.limit = d.about(s.counters[name].Current + w.cost + int64(d.below(3)))
	return w
}

// batch draws the calls that travel together, as many as board lets.
func (d *draws) batch(s *shelf, now int64) *batch {
	b, windows := newBatch(), 0
	b.begin(marker)
	for n := 1 + d.below([]int{4, 4, maxBatch}[d.below(3)]); n > 0; n-- {
		c := d.call(s, now)
		if windows += len(c.windows); windows > maxWindows && len(b.calls) > 0 {
			break
		}
		c.err = errUnread
		b.add(c)
	}
	return b
}

// try sends a batch, and holds what every call is told and what the store has then against the model.
func (r *rig) try(b *batch) {
	r.tb.Helper()
	before := r.held()
	var clock storeClock
	clock.note(r.now())
	answer, err := verifyScript.RunReserved(context.Background(), r.client, b.appendTexts(), b.args, new(redisdb.Pending))
	r.must(err)
	text, ok := answer.(string)
	if !ok || !b.readReplies(text, &clock) {
		r.tb.Fatalf("the reply can't be read: %.200q", answer)
	}
	now, spent := b.calls[0].reply.now, false
	for i, c := range b.calls {
		want := r.shelf.answer(c, now)
		if c.err != nil || !c.reply.is(want) {
			r.tb.Fatalf("call %d of %d: %v\n%s\nis told %s, want %s", i, len(b.calls), c.err, described(c), told(c.reply), told(want))
		}
		spent = spent || c.reply.status == replyValid || c.verdict == verdictRefund
	}
	after := r.held()
	if wrong := r.shelf.differs(after, now, counterDurations, slotDurations); wrong != "" {
		for _, c := range b.calls {
			r.tb.Log(described(c), told(c.reply))
		}
		r.tb.Fatalf("at %d the store is not what was spent:\n%s", now, wrong)
	}
	if wrote := strings.HasSuffix(text, "w"); !wrote && !maps.Equal(before, after) {
		r.tb.Fatalf("%.100q says that nothing was written", text)
	}
	for name, text := range after {
		if !spent && text != before[name] && !r.ahead(before[name], name, now) {
			r.tb.Fatalf("nothing was spent, and %s became %q, was %q", name, text, before[name])
		}
	}
}

// ahead reports whether what was stored has a window that lies ahead: such a one is brought back
// even where nothing is spent.
func (r *rig) ahead(text, name string, now int64) bool {
	if duration, ok := counterDurations[name]; ok {
		return text != "" && decodeWindow(text).Index > now/duration
	}
	k := new(stored)
	k.decode(text)
	for i, w := range k.windows {
		if w.Index > now/slotDurations[i] {
			return true
		}
	}
	return false
}

func described(c *call) string {
	return fmt.Sprintf("%v %q guards %v verdict %d expires %d cost %d refill %d/%d windows %+v", c.record, c.revision, c.guards, c.verdict, c.expires, c.cost, c.amount, c.day, c.windows)
}

func told(r reply) string {
	return fmt.Sprintf("%c %q guard %d %q balance %d rooms %v", r.status, r.stored, r.guard, r.revision, r.balance, r.remaining)
}

// reread has the model go on from what the store holds: time has passed. No counter may be gone
// before what it counted is over; but miniredis gives no time to live back when its clock is set back.
func (r *rig) reread() {
	held := r.held()
	for name, k := range r.shelf.records {
		k.told = false
		k.decode(held[name])
	}
	now := r.now()
	for _, name := range counterNames {
		w, counts := r.shelf.counters[name].At(now, counterDurations[name]), held[name] != ""
		if !counts && !r.back && w.Current+w.Previous > 0 {
			r.tb.Fatalf("at %d %s is gone, and counted %v", now, name, w)
		}
		if delete(r.shelf.counters, name); counts {
			r.shelf.counters[name] = decodeWindow(held[name])
		}
	}
}

// batches runs some batches that the bytes say, with the clock moved between them.
func (r *rig) batches(d draws, move func(time.Duration)) {
	r.tb.Helper()
	text := d
	defer func() {
		if r.tb.Failed() {
			r.tb.Logf("of %x", text)
		}
	}()
	r.fill(&d)
	for range 1 + d.below(4) {
		r.try(d.batch(r.shelf, r.now()))
		by := []time.Duration{0, time.Millisecond, time.Second, -time.Second, time.Minute, 25 * time.Hour, -24 * time.Hour, 32 * 24 * time.Hour, 1600 * 24 * time.Hour}[d.below(9)]
		move(by)
		r.back = r.back || by < 0
		r.reread()
	}
}

// batchSeeds are the bytes of some batches.
func batchSeeds() (all [][]byte) {
	random := rand.NewChaCha8([32]byte{5})
	for _, size := range append([]int{0, 1, 40, 200, 400, 800, 1600}, slices.Repeat([]int{3200}, 30)...) {
		seed := make([]byte, size)
		_, _ = random.Read(seed)
		all = append(all, seed)
	}
	return all
}

// Whatever calls travel together: each is answered as a model in Go decides it, after those before it.
// What is spent is exactly the costs of those that are valid, and where none is the store stays as it
// is, to the byte.
func FuzzBatch(f *testing.F) {
	for _, seed := range batchSeeds() {
		f.Add(seed)
	}
	mini := redistest.Mini(f)
	client := redis.NewClient(&redis.Options{Addr: mini.Addr()})
	f.Cleanup(func() { _ = client.Close() })
	f.Fuzz(func(t *testing.T, text []byte) {
		now := time.Date(2028, 2, 28, 23, 59, 59, 0, time.UTC)
		mini.FlushAll()
		mini.SetTime(now)
		newRig(t, client).batches(text, func(d time.Duration) {
			now = now.Add(d)
			mini.SetTime(now)
		})
	})
}

// The same on every kind of store; what the clock does there is its own.
func TestBatches(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		random := rand.NewChaCha8([32]byte{byte(time.Now().UnixNano())})
		all := batchSeeds()
		for range 40 {
			text := make([]byte, 1000)
			_, _ = random.Read(text)
			all = append(all, text)
		}
		for _, text := range all {
			for _, name := range newRig(t, c).names {
				if err := c.Del(t.Context(), name).Err(); err != nil {
					t.Fatal(err)
				}
			}
			newRig(t, c).batches(text, func(time.Duration) {})
		}
	})
}
