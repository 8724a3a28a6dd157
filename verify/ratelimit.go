package verify

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/keys/store"
	"tollgate/ratelimit"
)

// LimitCheck asks for a use of an identifier in a namespace.
type LimitCheck struct {
	Namespace  string // its name, or its id; made on first use where the caller may
	Identifier string
	Limit      int64 // 1 or more; an override takes the place of this and the next
	Duration   int64 // ms, up to keys.MaxDuration, or keys.MaxLongDuration with Access.LongDurations
	Cost       int64 // 0 is 1, Free looks and takes nothing
}

// LimitVerdict is the answer to a LimitCheck.
type LimitVerdict struct {
	NamespaceID string
	OverrideID  string // "" where the request's own limit applies
	Limit       int64  // that applied
	Duration    int64  // ms, that applied
	Remaining   int64  // what is left after this request, 0 or more
	Reset       int64  // unix ms, the end of the present window
	Now         int64  // the store's clock at the decision, unix ms
	Passed      bool   // by itself; what was asked for with it may have been refused
}

// MaxLimitChecks bounds how many uses one request asks for.
const MaxLimitChecks = 100

// MaxRequestLimits bounds how many limits one verification asks for.
const MaxRequestLimits = maxLimits / 2

// Limit takes uses of identifiers, all of them or none, and reports whether it did.
// What is counted is told apart by namespace, identifier and duration: a request or
// an override with another limit goes on with the same count. The namespaces'
// revisions are confirmed in the call that takes, so an override that was set
// through one gateway is obeyed by the next request on any. A request whose
// namespaces are in memory is one round trip; on a Cluster it is one for each slot,
// always in the same order, and what was taken is refunded where a later one
// refuses: it may refuse a little too much for a moment and never lets too much
// pass. A use whose reply is lost was taken once or not at all.
func (v *Verifier) Limit(ctx context.Context, a keys.Access, checks []LimitCheck) (verdicts []LimitVerdict, passed bool, err error) {
	verdicts, passed, err = v.limit(ctx, a, checks)
	v.observer.Limited(err)
	return verdicts, passed, err
}

func (v *Verifier) limit(ctx context.Context, a keys.Access, checks []LimitCheck) ([]LimitVerdict, bool, error) {
	if err := checkAll(a, checks); err != nil {
		return nil, false, err
	}
	refs := make([]keys.NamespaceRef, len(checks))
	for i, c := range checks {
		refs[i] = keys.NamespaceRef{Name: c.Namespace, Create: true}
	}
	for range tries {
		spaces, err := v.store.Namespaces(ctx, a, refs)
		if err != nil {
			return nil, false, keys.SpentNothing(err)
		}
		t, err := v.newLimitAttempt(ctx, a.WorkspaceID, checks, spaces)
		if err != nil {
			return nil, false, keys.SpentNothing(err)
		}
		t.setBegan(began(ctx))
		if done, err := t.run(ctx); done || err != nil {
			return t.verdicts, !t.refused, err
		}
	}
	return nil, false, keys.SpentNothing(redisdb.Unavailable(errChanging))
}

func checkAll(a keys.Access, checks []LimitCheck) error {
	if n := len(checks); n == 0 || n > MaxLimitChecks {
		return keys.Invalidf("", "1 to %d limits in one request", MaxLimitChecks)
	}
	for i := range checks {
		err := checks[i].check(a.MaxDuration())
		if err != nil && len(checks) > 1 {
			err = keys.Within(strconv.Itoa(i), err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// check refuses what has no answer; longest is the longest window that may be asked for, in ms.
func (c *LimitCheck) check(longest int64) error {
	n := utf8.RuneCountInString(c.Identifier)
	switch {
	case c.Namespace == "":
		return keys.Invalidf("namespace", "a namespace's name has 1 to %d characters", keys.MaxNamespaceName)
	case n == 0 || n > keys.MaxIdentifier:
		return keys.Invalidf("identifier", "1 to %d characters", keys.MaxIdentifier)
	}
	limit := keys.CheckLimit(ratelimit.Limit{Limit: c.Limit, Duration: c.Duration}, 1, longest)
	return cmp.Or(limit, checkCost("cost", c.Cost))
}

// limitAttempt is one attempt at taking everything.
type limitAttempt struct {
	v         *Verifier
	ws        string
	verdicts  []LimitVerdict
	costs     []int64
	slotCalls []*slotCall
	refused   bool
}

// slotCall is what is taken in one slot, by one call.
type slotCall struct {
	call      call
	budget    any   // the record of the workspace's counters, a string
	items     []int // of the verdicts, one for each window of the call
	revisions []catalog.BucketRevision
}

// newLimitAttempt applies the overrides and sorts the checks by slot.
func (v *Verifier) newLimitAttempt(ctx context.Context, ws string, checks []LimitCheck, spaces []catalog.RuledNamespace) (*limitAttempt, error) {
	t := &limitAttempt{v: v, ws: ws, verdicts: make([]LimitVerdict, len(checks)), costs: make([]int64, len(checks))}
	for i, c := range checks {
		space := spaces[i]
		at := &t.verdicts[i]
		*at = LimitVerdict{NamespaceID: space.ID, Limit: c.Limit, Duration: c.Duration}
		o, err := v.store.Override(ctx, ws, space, c.Identifier)
		if err != nil {
			return nil, err
		}
		if o != nil {
			at.OverrideID, at.Limit, at.Duration = o.ID, o.Limit, o.Duration
		}
		t.costs[i] = amount(c.Cost)
		shard := layout.ShardOf(space.ID + ":" + c.Identifier)
		sc := t.slotCall(shard)
		sc.add(v.store, ws, space.Revision, i, window{
			counter: layout.Counter(shard, space.ID, c.Identifier, at.Duration), budget: sc.budget,
			limit: at.Limit, duration: at.Duration, cost: amount(c.Cost),
		})
	}
	slices.SortFunc(t.slotCalls, func(a, b *slotCall) int { return strings.Compare(a.call.shard, b.call.shard) })
	return t, nil
}

// slotCall returns the call that goes to a shard's slot; there is one slot unless the
// store is a Cluster.
func (t *limitAttempt) slotCall(shard string) *slotCall {
	if !t.v.store.Cluster() {
		shard = ""
	}
	for _, l := range t.slotCalls {
		if l.call.shard == shard {
			return l
		}
	}
	l := &slotCall{call: call{workspace: t.ws, shard: shard}, budget: t.v.store.CounterBudget(t.ws, shard)}
	t.slotCalls = append(t.slotCalls, l)
	return l
}

// setBegan notes in each call when the request began.
func (t *limitAttempt) setBegan(at int64) {
	for _, l := range t.slotCalls {
		l.call.began = at
	}
}

func (l *slotCall) add(s *store.Store, ws string, r catalog.BucketRevision, item int, w window) {
	if !slices.Contains(l.revisions, r) {
		l.revisions = append(l.revisions, r)
		l.call.guards = append(l.call.guards, guard{s.GuardIn(ws, l.call.shard, r), r.Revision})
	}
	l.items = append(l.items, item)
	l.call.windows = append(l.call.windows, w)
}

// run takes leg after leg. It is not done where a namespace has changed: then
// nothing stays taken and the store has taken note.
func (t *limitAttempt) run(ctx context.Context) (done bool, err error) {
	for i, l := range t.slotCalls {
		if t.refused {
			l.zeroCosts()
		}
		if err := t.v.batcher(l.call.shard).do(&l.call); err != nil {
			if redisdb.NotRun(err) && t.refund(t.slotCalls[:i]) == nil { // otherwise they stay taken
				err = keys.SpentNothing(err)
			}
			return false, err
		}
		if reply := &l.call.reply; reply.status == replyGuard {
			if err := t.refund(t.slotCalls[:i]); err != nil {
				return false, err
			}
			return false, keys.SpentNothing(t.v.store.RefreshIn(ctx, t.ws, l.call.shard, l.revisions[reply.guard], reply.revision))
		}
		if l.call.reply.status == replyFull {
			if err := t.refund(t.slotCalls[:i]); err != nil {
				return false, err
			}
			return false, t.v.tooMany(replyFull)
		}
		t.refused = t.refused || l.call.reply.status != replyValid
	}
	if t.refused {
		err = t.refund(t.slotCalls)
	}
	for _, l := range t.slotCalls {
		l.fillVerdicts(t)
	}
	return true, err
}

func (l *slotCall) zeroCosts() {
	for i := range l.call.windows {
		l.call.windows[i].cost = 0
	}
}

func (t *limitAttempt) refund(legs []*slotCall) error {
	for _, l := range legs {
		took := slices.ContainsFunc(l.call.windows, func(w window) bool { return w.cost > 0 })
		if took && l.call.reply.status == replyValid {
			if err := t.v.refund(l.call.shard, &l.call); err != nil {
				return err
			}
		}
	}
	return nil
}

// fillVerdicts writes the leg's part of the verdicts. Those that share a counter, which the
// script looks at one after the other, have the same answer: what is left in the end.
func (l *slotCall) fillVerdicts(t *limitAttempt) {
	left := map[any]int64{} // of a counter, beyond the limit
	reply := &l.call.reply
	for j, w := range l.call.windows {
		room := reply.remaining[j].left
		if t.refused && reply.status == replyValid {
			room += w.cost
		}
		if _, seen := left[w.counter]; !seen || !t.refused {
			left[w.counter] = room - w.limit
		}
	}
	for j, i := range l.items {
		w, at := l.call.windows[j], &t.verdicts[i]
		at.Passed = !reply.remaining[j].denied && (!t.refused || w.cost > 0 || t.costs[i] <= reply.remaining[j].left)
		at.Remaining = max(0, left[w.counter]+w.limit)
		at.Now, at.Reset = reply.now, (reply.now/w.duration+1)*w.duration
	}
}
