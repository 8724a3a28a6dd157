package verify

import (
	"fmt"
	"slices"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/store"
	"tollgate/ratelimit"
)

// tooMany is the refusal of a request that would make more counters than there may be.
func (v *Verifier) tooMany(status byte) error {
	v.observer.CountersRefused()
	if status == replyKeyFull {
		return keys.Invalidf("ratelimits", "the key has %d counters of limits that requests brought, and can't have more until one of them has ended", store.MaxKeyCounters)
	}
	return keys.Errorf(keys.KindRateLimited, "workspace", "the workspace has as many counters of limits that requests brought as it may have")
}

// limits collects the limits that a verification looks at: the stored ones that
// always apply, the key's before its identity's of the same name, then the
// request's, each in the place of one of its name.
type limits struct {
	store    *store.Store
	entry    *entry
	resolved *catalog.Resolved
	states   []LimitState
	windows  []window
	grown    bool // the entry takes more memory than before
}

func (l *limits) addStored() {
	for i, limit := range l.entry.key.Limits {
		if limit.AutoApply {
			l.set(limit, 1, window{slot: i + 1})
		}
	}
	for _, limit := range l.resolved.IdentityLimits() {
		if limit.AutoApply && !l.has(limit.Name) {
			l.set(limit, 1, l.identityWindow(limit))
		}
	}
}

func (l *limits) addRequested(asked *LimitRequest) error {
	if asked.Own {
		own := ratelimit.Limit{Name: asked.Name, Limit: asked.Limit, Duration: asked.Duration}
		w, grown := l.entry.window(l.store, own.Name, own.Duration)
		l.grown = l.grown || grown
		l.set(own, amount(asked.Cost), w)
		return nil
	}
	byName := func(limit ratelimit.Limit) bool { return limit.Name == asked.Name }
	stored := l.entry.key.Limits
	if i := slices.IndexFunc(stored, byName); i >= 0 {
		l.set(stored[i], amount(asked.Cost), window{slot: i + 1})
		return nil
	}
	shared := l.resolved.IdentityLimits()
	if i := slices.IndexFunc(shared, byName); i >= 0 {
		l.set(shared[i], amount(asked.Cost), l.identityWindow(shared[i]))
		return nil
	}
	return l.notFound(asked.Name)
}

func (l *limits) notFound(name string) error {
	whose := "and there is no identity connected"
	if l.resolved.Identity != nil {
		whose = fmt.Sprintf("nor identity %s", l.resolved.Identity.ID)
	}
	return keys.Errorf(keys.KindPrecondition, "ratelimit",
		"ratelimit %q was requested but does not exist for key %q %s", keys.Redact(name), l.entry.key.ID, whose)
}

func (l *limits) identityWindow(limit ratelimit.Limit) window {
	return window{counter: layout.Counter("", l.resolved.Identity.ID, limit.Name, limit.Duration), crossSlot: true}
}

func (l *limits) has(name string) bool {
	return slices.ContainsFunc(l.states, func(s LimitState) bool { return s.Name == name })
}

// set looks at a limit in the place of one of its name, or behind the others.
func (l *limits) set(limit ratelimit.Limit, cost int64, w window) {
	w.limit, w.duration, w.cost = limit.Limit, limit.Duration, cost
	state := LimitState{Limit: limit, Cost: cost}
	i := slices.IndexFunc(l.states, func(s LimitState) bool { return s.Name == limit.Name })
	if i < 0 {
		l.states, l.windows = append(l.states, state), append(l.windows, w)
		return
	}
	l.states[i], l.windows[i] = state, w
}
