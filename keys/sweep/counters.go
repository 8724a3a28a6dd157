package sweep

import (
	"context"
	"strconv"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

// Older versions made counters that count towards nothing: for up to MaxDuration of
// package ratelimit, and left when their key was deleted. A sweep goes through the whole
// store and gives them what new ones have: those of a key that is gone are deleted, those
// of a key that is there are listed and end when a new one would.
//
// Gateways of the release before may go on running beside this one for a while, so the
// sweep is made again every day, until one that began a week after the first is complete.
// What was done, by which version of the sweep, is noted in the store.
const (
	counterSweepVersion = "1"
	counterSweepAgain   = 24 * time.Hour
	counterSweepDays    = 7 * 24 * time.Hour
	counterSweepWatch   = time.Minute           // between two looks at what there is to do
	counterSweepPause   = 10 * time.Millisecond // between two steps, in which Redis serves others
	counterSweepNames   = "tg:c[:i]*"           // counters, and the indexes of keys
)

// The fields of what is noted.
const (
	sweptVersion = "version"
	sweptFirst   = "first" // unix ms, when the first sweep of this version was complete
	sweptLast    = "last"  // and when the last was
)

// SweepCounters sets an end for the counters of older versions, until ctx ends. Several
// gateways share it: one at a time has the lease. A sweep that ends in the middle is begun
// again. failed, if any, is told of failures of the store.
func (s *Sweeper) SweepCounters(ctx context.Context, failed func(error)) {
	for wait := time.Duration(0); sleep(ctx, wait); wait = counterSweepWatch {
		if _, err := s.SweepCountersOnce(ctx); err != nil && failed != nil && ctx.Err() == nil {
			failed(err)
		}
	}
}

// sleep reports whether the time passed before ctx ended.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// SweepCountersOnce makes a whole sweep, if one is due and no other gateway is at it. It
// reports whether it came to the end.
func (s *Sweeper) SweepCountersOnce(ctx context.Context) (complete bool, err error) {
	first, due, err := s.counterSweepDue(ctx)
	if err != nil || !due {
		return false, err
	}
	servers, err := s.Masters(ctx)
	if err != nil {
		return false, err
	}
	for _, server := range servers {
		if complete, err = s.sweepCountersOf(ctx, server); err != nil || !complete {
			return false, err
		}
	}
	now, err := s.Now(ctx)
	if err != nil {
		return false, err
	}
	if first == 0 {
		first = now
	}
	return true, s.Pipelined(ctx, func(p redis.Pipeliner) {
		p.HSet(ctx, layout.CounterSweepName, sweptVersion, counterSweepVersion, sweptFirst, first, sweptLast, now)
		p.Del(ctx, layout.CounterSweepLeaseName)
	})
}

// counterSweepDue reports whether a sweep is to be made now, and when the first of this
// version was complete; 0 for not yet.
func (s *Sweeper) counterSweepDue(ctx context.Context) (first int64, due bool, err error) {
	now, err := s.Now(ctx)
	if err != nil {
		return 0, false, err
	}
	var noted *redis.MapStringStringCmd
	if err := s.Pipelined(ctx, func(p redis.Pipeliner) { noted = p.HGetAll(ctx, layout.CounterSweepName) }); err != nil {
		return 0, false, err
	}
	done := noted.Val()
	if done[sweptVersion] != counterSweepVersion {
		return 0, true, nil
	}
	first, _ = strconv.ParseInt(done[sweptFirst], 10, 64)
	last, _ := strconv.ParseInt(done[sweptLast], 10, 64)
	if last > now { // a wrong clock said so: nothing of it is believed
		return 0, true, nil
	}
	over := last-first >= counterSweepDays.Milliseconds()
	return first, !over && now-last >= counterSweepAgain.Milliseconds(), nil
}

// sweepCountersOf goes through the names on one server, as long as the lease is held.
func (s *Sweeper) sweepCountersOf(ctx context.Context, server redis.Cmdable) (complete bool, err error) {
	for cursor := uint64(0); ; {
		if mine, err := s.LeaseOf(ctx, layout.CounterSweepLeaseName); err != nil || !mine {
			return false, err
		}
		names, next, err := s.ScanStep(ctx, server, cursor, counterSweepNames)
		if err != nil {
			return false, err
		}
		if err := s.sweepCounterNames(ctx, names); err != nil {
			return false, err
		}
		if next == 0 {
			return true, nil
		}
		if cursor = next; !sleep(ctx, counterSweepPause) {
			return false, ctx.Err()
		}
	}
}

// sweepCounterNames does what is to be done about some names.
func (s *Sweeper) sweepCounterNames(ctx context.Context, names []string) error {
	kept, err := s.sweepKeyCounters(ctx, names)
	if err != nil {
		return err
	}
	return s.sweepLongCounters(ctx, kept)
}

// namedCounter is a counter, or the index of a key's counters, with its name.
type namedCounter struct {
	layout.CounterOwner
	name  string
	index bool
}

func namedCounters(names []string) (all []namedCounter) {
	for _, name := range names {
		if c, ok := layout.ParseCounter(name); ok {
			all = append(all, namedCounter{c, name, false})
		} else if c, ok := layout.ParseCounterIndex(name); ok {
			all = append(all, namedCounter{c, name, true})
		}
	}
	return all
}

// sweepKeyCounters treats the counters of keys that are there as new ones are treated, and
// deletes the others and their indexes. It returns the names that are of no key.
func (s *Sweeper) sweepKeyCounters(ctx context.Context, names []string) (others []namedCounter, err error) {
	var ofKeys []namedCounter
	for _, c := range namedCounters(names) {
		if k, _ := c.Defined(); k != "" {
			others = append(others, c)
		} else {
			ofKeys = append(ofKeys, c)
		}
	}
	ofKeys, gone, err := s.ownedCounters(ctx, ofKeys)
	if err != nil {
		return nil, err
	}
	// Looked at twice: a key that moves leaves its old place and is in the new one
	// between two reads.
	if _, gone, err = s.ownedCounters(ctx, gone); err != nil {
		return nil, err
	}
	var calls []redisdb.Invocation
	for _, c := range ofKeys {
		if !c.index {
			calls = append(calls, catalog.CounterIn(c.CounterOwner, c.name, "", keys.MaxTime))
		}
	}
	if _, err := s.RunCounters(ctx, calls); err != nil {
		return nil, err
	}
	if len(gone) == 0 {
		return others, nil
	}
	return others, s.Pipelined(ctx, func(p redis.Pipeliner) {
		for _, c := range gone {
			p.Unlink(ctx, c.name)
		}
	})
}

// ownedCounters tells the counters whose key is in their slot from those whose key is gone
// or elsewhere. Those of a key that can't be read, or is moving, are among neither.
func (s *Sweeper) ownedCounters(ctx context.Context, all []namedCounter) (owned, gone []namedCounter, err error) {
	if len(all) == 0 {
		return nil, nil, nil
	}
	ids := make([]string, len(all))
	for i, c := range all {
		ids[i] = c.Owner
	}
	places, err := s.Places(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	records := make([]*redis.StringCmd, len(all))
	if err := s.Pipelined(ctx, func(p redis.Pipeliner) {
		for i, at := range places {
			if len(at.Text) > 2 {
				records[i] = p.Get(ctx, at.Record())
			}
		}
	}); err != nil {
		return nil, nil, err
	}
	for i, c := range all {
		if records[i] == nil || records[i].Val() == "" {
			gone = append(gone, c)
			continue
		}
		key, _, _, err := layout.DecodeKey(records[i].Val())
		switch {
		case err != nil || key.Reserved || key.Moving != nil:
		case key.ID == c.Owner && places[i].Shard() == c.Shard:
			owned = append(owned, c)
		default:
			gone = append(gone, c)
		}
	}
	return owned, gone, nil
}

// sweepLongCounters makes counters of identities and namespaces whose windows are longer
// than any request may ask for now end like the longest of those, unless a stored limit
// has such windows: it keeps working.
func (s *Sweeper) sweepLongCounters(ctx context.Context, all []namedCounter) error {
	for _, c := range all {
		if c.Duration <= keys.MaxLongDuration {
			continue
		}
		stored, err := s.storesDuration(ctx, c.CounterOwner)
		if err != nil {
			return err
		}
		if !stored {
			call := redisdb.Invocation{Names: []string{c.name}, Args: []any{"", int64(2 * keys.MaxLongDuration), ""}}
			if _, err := s.RunCounters(ctx, []redisdb.Invocation{call}); err != nil {
				return err
			}
		}
	}
	return nil
}

// storesDuration reports whether the identity or the namespace of a counter has a limit
// or an override with its windows, in any workspace: its name does not tell which. What
// can't be read counts as having one.
func (s *Sweeper) storesDuration(ctx context.Context, c layout.CounterOwner) (bool, error) {
	var workspaces *redis.MapStringStringCmd
	if err := s.Pipelined(ctx, func(p redis.Pipeliner) { workspaces = p.HGetAll(ctx, layout.WorkspacesName) }); err != nil {
		return false, err
	}
	k, _ := c.Defined()
	for _, ws := range workspaces.Val() {
		texts, err := s.DefinitionTexts(ctx, ws, k, []string{c.Owner})
		if err != nil {
			return false, err
		}
		if texts[0] != "" {
			return definesDuration(k, texts[0], c.Duration), nil
		}
	}
	return false, nil
}

func definesDuration(k layout.Kind, stored string, duration int64) bool {
	if k == layout.KindNamespace {
		n, err := layout.DecodeDefinition[keys.Namespace](stored)
		if err != nil {
			return true
		}
		for _, o := range n.Overrides {
			if o.Duration == duration {
				return true
			}
		}
		return false
	}
	i, err := layout.DecodeDefinition[keys.Identity](stored)
	if err != nil {
		return true
	}
	for _, limit := range i.Limits {
		if limit.Duration == duration {
			return true
		}
	}
	return false
}
