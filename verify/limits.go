package verify

import (
	"fmt"
	"slices"
	"strconv"

	"tollgate/keys"
	"tollgate/ratelimit"
)

func itoa(n int) string { return strconv.Itoa(n) }

// addLimits collects the limits to look at: the stored ones that always apply,
// the key's before its identity's of the same name, then the request's, each in
// the place of one of its name.
func (p *plan) addLimits(r *Request) error {
	for i := range p.known.Key.Limits {
		if limit := p.known.Key.Limits[i]; limit.AutoApply {
			p.setLimit(limit, 1, window{slot: i + 1})
		}
	}
	for _, limit := range p.resolved.IdentityLimits() {
		if limit.AutoApply && !p.has(limit.Name) {
			p.setLimit(limit, 1, p.identityWindow(limit))
		}
	}
	for _, asked := range r.Limits {
		if err := p.addAsked(asked); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) addAsked(asked LimitRequest) error {
	if asked.Own {
		own := ratelimit.Limit{Name: asked.Name, Limit: asked.Limit, Duration: asked.Duration}
		p.setLimit(own, asked.Cost, window{counter: keys.Counter(p.known.Shard, p.known.Key.ID, own.Name, own.Duration)})
		return nil
	}
	byName := func(limit ratelimit.Limit) bool { return limit.Name == asked.Name }
	if i := slices.IndexFunc(p.known.Key.Limits, byName); i >= 0 {
		p.setLimit(p.known.Key.Limits[i], asked.Cost, window{slot: i + 1})
		return nil
	}
	shared := p.resolved.IdentityLimits()
	if i := slices.IndexFunc(shared, byName); i >= 0 {
		p.setLimit(shared[i], asked.Cost, p.identityWindow(shared[i]))
		return nil
	}
	return p.noLimit(asked.Name)
}

func (p *plan) noLimit(name string) error {
	whose := "and there is no identity connected"
	if p.resolved.Identity != nil {
		whose = fmt.Sprintf("nor identity %s", p.resolved.Identity.ID)
	}
	return keys.Errorf(keys.KindPrecondition, "ratelimit",
		"ratelimit %q was requested but does not exist for key %q %s", name, p.known.Key.ID, whose)
}

func (p *plan) identityWindow(limit ratelimit.Limit) window {
	return window{counter: keys.Counter("", p.resolved.Identity.ID, limit.Name, limit.Duration)}
}

func (p *plan) has(name string) bool {
	return slices.ContainsFunc(p.limits, func(s LimitState) bool { return s.Name == name })
}

// setLimit looks at a limit in the place of one of its name, or behind the others.
func (p *plan) setLimit(limit ratelimit.Limit, cost int64, w window) {
	w.limit, w.duration, w.cost = limit.Limit, limit.Duration, cost
	state := LimitState{Limit: limit, Cost: cost}
	i := slices.IndexFunc(p.limits, func(s LimitState) bool { return s.Name == limit.Name })
	if i < 0 {
		p.limits, p.call.windows = append(p.limits, state), append(p.call.windows, w)
		return
	}
	p.limits[i], p.call.windows[i] = state, w
}
