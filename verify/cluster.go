package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/keys/store"
)

// newBatchers makes the places to wait: on a Cluster one for each slot that is used,
// since a script sees one slot, otherwise one.
func newBatchers(store *store.Store, o Options) map[string]*batcher {
	lines := map[string]*batcher{}
	if !store.Cluster() {
		lines[""] = newBatcher(store, "", o)
		return lines
	}
	for _, shard := range layout.Shards() {
		lines[shard] = newBatcher(store, shard, o)
	}
	return lines
}

func newBatcher(store *store.Store, shard string, o Options) *batcher {
	return &batcher{client: store.Redis(), marker: store.Marker(shard), budget: store.ShardBudget(o.MaxCounters), observer: o.Observer, shedder: shedder{timeout: o.Timeout}}
}

func (v *Verifier) batcher(shard string) *batcher { return batcherOf(v.batchers, shard) }

func batcherOf(lines map[string]*batcher, shard string) *batcher {
	if l, ok := lines[""]; ok {
		return l
	}
	return lines[shard]
}

// errNotRefunded says that what was taken from an identity's limits could not be given back.
var errNotRefunded = errors.New("the identity's limits stay taken")

// crossesSlots reports whether the plan looks at limits that are kept apart from the key.
func (p *plan) crossesSlots() bool {
	return slices.ContainsFunc(p.call.windows, func(w window) bool { return w.crossSlot })
}

// executeCrossSlot decides in two steps where a Cluster keeps the identity's limits in
// another slot than the key: they are taken first, and refunded when the key's
// own script refuses or certainly has not run. In between they may refuse a little
// too much; they never admit too much. Where the key's reply is lost they stay taken.
func (v *Verifier) executeCrossSlot(ctx context.Context, d keys.Digest, e *entry, p *plan) (*Outcome, error) {
	identity := layout.ShardOf(p.snapshot.resolved.Identity.ID)
	first := &call{workspace: e.key.WorkspaceID, shard: identity, began: p.call.began}
	own, where := p.call.windows[:0:0], make([]bool, len(p.call.windows))
	for i, w := range p.call.windows {
		if where[i] = w.crossSlot; where[i] {
			first.windows = append(first.windows, w)
		} else {
			own = append(own, w)
		}
	}
	if err := v.batcher(identity).do(first); err != nil {
		return nil, err
	}
	taken := first.reply.status == replyValid
	p.call.windows = own
	if !taken {
		p.zeroCosts()
	}
	if err := v.batcher(e.shard).do(&p.call); err != nil {
		if taken && redisdb.NotRun(err) && v.refund(identity, first) != nil {
			return nil, redisdb.Unavailable(fmt.Errorf("%w: %v", errNotRefunded, err))
		}
		return nil, err
	}
	spent := p.call.reply.status == replyValid
	if taken && !spent {
		if err := v.refund(identity, first); err != nil {
			return nil, err
		}
	}
	p.merge(first, where, taken, spent)
	return v.conclude(ctx, d, e, p)
}

// zeroCosts makes the key's own call take nothing: the identity refused already.
func (p *plan) zeroCosts() {
	p.call.cost = 0
	for i := range p.call.windows {
		p.call.windows[i].cost = 0
	}
}

// refund returns what a call took to the windows from which it took it.
func (v *Verifier) refund(shard string, took *call) error {
	back := &call{shard: shard, verdict: verdictRefund}
	for _, w := range took.windows {
		if w.cost > 0 {
			w.limit = took.reply.now / w.duration
			back.windows = append(back.windows, w)
		}
	}
	return v.batcher(shard).do(back)
}

// merge puts the identity's part of the reply into the key's.
func (p *plan) merge(first *call, where []bool, taken, spent bool) {
	reply := &p.call.reply
	switch reply.status {
	case replyValid, replyLimited, replyUsed:
	default:
		return
	}
	if !taken {
		reply.status = replyLimited
	}
	all := make([]remaining, len(where))
	shared, own := first.reply.remaining, reply.remaining
	for i, apart := range where {
		if apart {
			all[i], shared = shared[0], shared[1:]
			if taken && !spent {
				all[i].left += p.limits[i].Cost
			}
		} else {
			all[i], own = own[0], own[1:]
			if !taken {
				all[i].denied = p.limits[i].Cost > all[i].left
			}
		}
	}
	reply.remaining = all
}
