package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"tollgate/keys"
)

// newLines makes the places to wait: on a Cluster one for each slot that is used,
// since a script sees one slot, otherwise one.
func newLines(store *keys.Store, o Options) map[string]*line {
	lines := map[string]*line{}
	if !store.Cluster() {
		lines[""] = newLine(store, "", o)
		return lines
	}
	for _, shard := range keys.Shards() {
		lines[shard] = newLine(store, shard, o)
	}
	return lines
}

func newLine(store *keys.Store, shard string, o Options) *line {
	return &line{client: store.Redis(), marker: store.Marker(shard), budget: store.ShardBudget(o.MaxCounters), observer: o.Observer, lateness: lateness{timeout: o.Timeout}}
}

func (v *Verifier) line(shard string) *line { return lineOf(v.lines, shard) }

func lineOf(lines map[string]*line, shard string) *line {
	if l, ok := lines[""]; ok {
		return l
	}
	return lines[shard]
}

// errTaken says that what was taken from an identity's limits could not be given back.
var errTaken = errors.New("the identity's limits stay taken")

// shared tells whether the plan looks at limits that are kept apart from the key.
func (p *plan) shared() bool {
	return slices.ContainsFunc(p.call.windows, func(w window) bool { return w.apart })
}

// askApart asks in two steps where a Cluster keeps the identity's limits in
// another slot than the key: they are taken first, and given back when the key's
// own script refuses or certainly has not run. In between they may refuse a little
// too much; they never admit too much. Where the key's reply is lost they stay taken.
func (v *Verifier) askApart(ctx context.Context, d keys.Digest, e *entry, p *plan) (*Outcome, error) {
	identity := keys.ShardOf(p.ticket.resolved.Identity.ID)
	first := &call{workspace: e.key.WorkspaceID, shard: identity, began: p.call.began}
	own, where := p.call.windows[:0:0], make([]bool, len(p.call.windows))
	for i, w := range p.call.windows {
		if where[i] = w.apart; where[i] {
			first.windows = append(first.windows, w)
		} else {
			own = append(own, w)
		}
	}
	if err := v.line(identity).do(first); err != nil {
		return nil, err
	}
	taken := first.reply.status == replyValid
	p.call.windows = own
	if !taken {
		p.lookOnly()
	}
	if err := v.line(e.shard).do(&p.call); err != nil {
		if taken && keys.NotRun(err) && v.giveBack(identity, first) != nil {
			return nil, keys.Unavailable(fmt.Errorf("%w: %v", errTaken, err))
		}
		return nil, err
	}
	spent := p.call.reply.status == replyValid
	if taken && !spent {
		if err := v.giveBack(identity, first); err != nil {
			return nil, err
		}
	}
	p.merge(first, where, taken, spent)
	return v.conclude(ctx, d, e, p)
}

// lookOnly makes the key's own call take nothing: the identity refused already.
func (p *plan) lookOnly() {
	p.call.cost = 0
	for i := range p.call.windows {
		p.call.windows[i].cost = 0
	}
}

// giveBack returns what a call took, to the windows from which it took it.
func (v *Verifier) giveBack(shard string, took *call) error {
	back := &call{shard: shard, verdict: verdictReturn}
	for _, w := range took.windows {
		if w.cost > 0 {
			w.limit = took.reply.now / w.duration
			back.windows = append(back.windows, w)
		}
	}
	return v.line(shard).do(back)
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
	rooms := make([]room, len(where))
	shared, own := first.reply.rooms, reply.rooms
	for i, apart := range where {
		if apart {
			rooms[i], shared = shared[0], shared[1:]
			if taken && !spent {
				rooms[i].left += p.limits[i].Cost
			}
		} else {
			rooms[i], own = own[0], own[1:]
			if !taken {
				rooms[i].denied = p.limits[i].Cost > rooms[i].left
			}
		}
	}
	reply.rooms = rooms
}
