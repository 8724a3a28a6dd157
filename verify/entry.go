package verify

import (
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/store"
)

// entry is a key as this gateway has it in memory. It is never believed by itself:
// the revision, and those of what it was resolved to, are confirmed by the
// script that spends.
type entry struct {
	key      *keys.Key    // nil for a pointer
	target   *keys.Digest // of a pointer: the digest in whose place the record is
	revision layout.Revision
	record   any // the name of the record, a string
	shard    string
	snapshot atomic.Pointer[snapshot] // nil until what the key refers to was looked up

	// The counters that requests with limits of their own have asked for, as far as
	// they are remembered: naming one takes longer than finding it here.
	counters atomic.Pointer[counters]
}

// counters are what requests' own limits of a key count in, and the names of what they
// count towards.
type counters struct {
	index, budget any // strings
	list          []counter
}

// counter is what a request's own limit of a key counts in.
type counter struct {
	limit    string
	duration int64
	name     any // a string
}

// What is remembered of counters: requests name what they like.
const (
	maxCounters    = 4
	maxCounterName = 64
)

// window returns the window of a request's own limit, without the limit. The entry
// weighs more where grown says so.
func (e *entry) window(s *store.Store, limit string, duration int64) (w window, grown bool) {
	was := e.counters.Load()
	known := was
	if known == nil {
		known = &counters{index: layout.CounterIndexName(e.shard, e.key.RecordID()), budget: s.CounterBudget(e.key.WorkspaceID, e.shard)}
	}
	w.index, w.budget = known.index, known.budget
	for i := range known.list {
		if known.list[i].duration == duration && known.list[i].limit == limit {
			w.counter = known.list[i].name
			return w, false
		}
	}
	w.counter = layout.Counter(e.shard, e.key.RecordID(), limit, duration)
	if len(known.list) < maxCounters && len(limit) <= maxCounterName {
		n := len(known.list)
		longer := counters{known.index, known.budget, append(known.list[:n:n], counter{strings.Clone(limit), duration, w.counter})}
		grown = e.counters.CompareAndSwap(was, &longer)
	}
	return w, grown
}

var errForeign = errors.New("a record holds another digest than its place says")

// newEntry is a key as the holder of one of its secrets knows it.
func newEntry(key *keys.Key, revision layout.Revision) *entry {
	record, shard := layout.KeyRecordName(key)
	return &entry{key: key, revision: revision, record: record, shard: shard}
}

// viaPointer reports whether the record is not in the place of the secret itself, but where the
// pointer in that place says.
func (e *entry) viaPointer() bool { return e.key.RecordID() != e.key.ID }

// weight estimates the memory that an entry keeps, in bytes. TestCacheKeepsItsBound
// holds it against what is taken.
func (e *entry) weight() uint32 {
	k := e.key
	if k == nil {
		return 600
	}
	n := 1180 + len(k.Name) + len(k.Meta) + len(k.Sealed) + len(k.Environment)
	n += 72 * (len(k.Permissions) + len(k.Roles))
	n += 250*len(k.Limits) + 250*len(k.Secrets)
	if known := e.counters.Load(); known != nil {
		n += 250
		for _, c := range known.list {
			n += 220 + 2*len(c.limit)
		}
	}
	return uint32(n)
}

// snapshot is what the verifications of a key have in common until the key, or what
// it refers to, changes. It is shared: nothing in it is ever written.
type snapshot struct {
	resolved *catalog.Resolved
	guards   []guard
	until    int64        // monotonic ns when it has to be made anew; 0 for never
	limits   []LimitState // those that always apply, and below how they are asked for
	windows  []window
}

func newSnapshot(s *store.Store, e *entry, resolved *catalog.Resolved) *snapshot {
	t := &snapshot{resolved: resolved}
	if !resolved.Until.IsZero() {
		t.until = max(1, int64(resolved.Until.Sub(start)))
	}
	for _, revision := range resolved.Revisions {
		t.guards = append(t.guards, guard{s.Guard(e.key, revision), revision.Revision})
	}
	l := limits{entry: e, resolved: resolved}
	l.addStored()
	t.limits, t.windows = l.states, l.windows
	return t
}

// fresh reports whether the snapshot may still be used.
func (t *snapshot) fresh() bool { return t.until == 0 || int64(time.Since(start)) < t.until }
