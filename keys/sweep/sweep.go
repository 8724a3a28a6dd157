package sweep

import (
	"context"
	"slices"
	"strconv"
	"time"

	"tollgate/keys/audit"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/keys/store"

	"github.com/redis/go-redis/v9"
)

const sweepStep = 100 // keys

const sweepPause = 10 * time.Millisecond // between two steps, in which Redis serves others

const sweepWatch = 2 * time.Minute // for keys that come late

// Sweeper removes what deleted APIs and keys leave, and what earlier releases left. Several
// processes share the work. It is safe for concurrent use.
type Sweeper struct {
	*store.Store
	tombstones tombstonePass
}

// NewSweeper sweeps a store.
func New(s *store.Store) *Sweeper { return &Sweeper{Store: s} }

// Sweep removes what is left of the keys of deleted APIs, and of soft-deleted keys what
// releases before this one kept of them, until ctx ends. Several gateways share the work: one at a time has the lease, and whatever it leaves
// undone the next one finds. failed, if any, is told of failures of the store.
func (s *Sweeper) Sweep(ctx context.Context, failed func(error)) {
	for wait := time.Duration(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = redisdb.SweepLease
		worked, err := s.SweepOnce(ctx)
		switch {
		case err != nil && failed != nil && ctx.Err() == nil:
			failed(err)
		case worked:
			wait = sweepPause
		}
	}
}

// SweepOnce makes one step of a sweep, if no other gateway is at it. It tells
// whether there may be more to do at once.
func (s *Sweeper) SweepOnce(ctx context.Context) (worked bool, err error) {
	ctx = audit.Exempt(ctx) // who deleted what is left has an entry
	mine, err := s.LeaseOf(ctx, layout.SweepLeaseName)
	if err != nil || !mine {
		return false, err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return false, err
	}
	api, tombstones, err := s.due(ctx, now)
	switch {
	case err != nil:
		return false, err
	case api != "":
		return true, s.sweepAPI(ctx, catalog.PendingDeletionOf(api), now)
	}
	return s.sweepTombstones(ctx, tombstones, now)
}

// due returns the API to look at first, "" where none is due, and what is noted of the
// passes over tombstones.
func (s *Sweeper) due(ctx context.Context, now int64) (api, tombstones string, err error) {
	var first, ahead *redis.StringSliceCmd
	var passes *redis.StringCmd
	watched := strconv.FormatInt(now+sweepWatch.Milliseconds(), 10)
	err = s.Pipelined(ctx, func(p redis.Pipeliner) {
		first = p.ZRangeByScore(ctx, layout.SweepName, &redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(now, 10), Count: 1})
		// Nothing is put off for longer: a wrong clock did, and it is due.
		ahead = p.ZRangeByScore(ctx, layout.SweepName, &redis.ZRangeBy{Min: "(" + watched, Max: "+inf", Count: 1})
		passes = p.Get(ctx, layout.TombstonesDue)
	})
	if all := append(first.Val(), ahead.Val()...); len(all) > 0 {
		api = all[0]
	}
	return api, passes.Val(), err
}

// sweepAPI removes some keys of a deleted API. When none is left it is put off for
// its second pass, and crossed off after that: also where it was not deleted after
// all, because a gateway stopped in between.
func (s *Sweeper) sweepAPI(ctx context.Context, d catalog.PendingDeletion, now int64) error {
	there, err := s.DefinitionTexts(ctx, d.WS, layout.KindAPI, []string{d.API})
	if err != nil {
		return err
	}
	if there[0] == "" {
		if n, err := s.sweepKeys(ctx, d.WS, d.API); err != nil || n > 0 {
			return err
		}
	}
	if d.Pass == "1" {
		if err := s.AddToSweep(ctx, now+sweepWatch.Milliseconds(), catalog.PendingDeletion{Pass: "2", WS: d.WS, API: d.API}); err != nil {
			return err
		}
	}
	return s.Pipelined(ctx, func(p redis.Pipeliner) { p.ZRem(ctx, layout.SweepName, d.String()) })
}

// sweepKeys removes the first keys in the list of an API, or when none is left the
// first tombstones: the records, and then the entries, so that a crash leaves entries
// for the next step. It returns how many entries it looked at.
func (s *Sweeper) sweepKeys(ctx context.Context, ws, api string) (int, error) {
	w := &store.Walk{Records: s.Records, WS: ws, API: api, At: "-"}
	entries, err := w.Entries(ctx, sweepStep)
	if err != nil {
		return 0, err
	}
	if len(entries) == 0 {
		return s.EraseListed(ctx, ws, api, sweepStep)
	}
	loaded, err := s.LoadAll(ctx, entries)
	if err != nil {
		return 0, err
	}
	var found []*store.Record
	var dangling []string // some lead to a tombstone whose entry was not made
	for i, one := range loaded {
		switch {
		case one == nil:
			dangling = append(dangling, entries[i])
		case w.Has(one.Key):
			found = append(found, one)
		}
	}
	if err := s.EraseEntries(ctx, ws, api, dangling); err != nil {
		return 0, err
	}
	_, again, err := s.DeleteOnce(ctx, found, true)
	if err != nil {
		return 0, err
	}
	if err := s.RemoveStrayPointers(ctx, lost(entries, loaded)); err != nil {
		return 0, err
	}
	return len(entries), s.Pipelined(ctx, func(p redis.Pipeliner) {
		for i, entry := range entries {
			if slices.Contains(again, layout.ListedID(entry)) {
				continue // somebody changed it: the next step reads it again
			}
			p.ZRem(ctx, layout.KeyListName(api, ""), entry)
			if loaded[i] == nil {
				p.Del(ctx, layout.IndexName(layout.ListedID(entry)))
			}
		}
	})
}

// lost are the entries that lead to no key, or to one whose secret is another one by now.
func lost(entries []string, loaded []*store.Record) (some []string) {
	for i, entry := range entries {
		if loaded[i] == nil || layout.EntryOf(loaded[i].Key) != entry {
			some = append(some, entry)
		}
	}
	return some
}
