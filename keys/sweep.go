package keys

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// How a sweep goes. A key that was being made while its API was deleted may be
// stored a little later, so an API is looked at until a while after its deletion.
const (
	sweepStep  = 100                   // keys
	sweepPause = 10 * time.Millisecond // between two steps, in which Redis serves others
	sweepLease = 5 * time.Second       // of the gateway that sweeps; the others wait
	sweepWatch = 2 * time.Minute       // for keys that come late
)

// pendingDeletion is an API in the set of those to sweep. It is looked at twice: at once,
// and a while later, for what came late.
type pendingDeletion struct{ pass, ws, api string }

func (d pendingDeletion) String() string { return d.pass + ":" + d.ws + ":" + d.api }

func pendingDeletionOf(entry string) pendingDeletion {
	pass, rest, _ := strings.Cut(entry, ":")
	ws, api, _ := strings.Cut(rest, ":")
	return pendingDeletion{pass, ws, api}
}

// scheduleDeletion notes that an API is about to be deleted: before it is, so that a crash
// leaves nothing that no sweep would find.
func (s *Catalog) scheduleDeletion(ctx context.Context, ws, apiID string) error {
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	return s.addToSweep(ctx, now, pendingDeletion{"1", ws, apiID})
}

// addToSweep has an API looked at from a moment on. It works while Redis is full: an
// API is deleted then as well, and what a sweep removes makes room.
func (s *Catalog) addToSweep(ctx context.Context, at int64, d pendingDeletion) error {
	_, err := s.run(ctx, addToListScript, []string{sweepName}, at, d.String())
	return err
}

// Sweep removes what is left of the keys of deleted APIs, and of soft-deleted keys what
// releases before this one kept of them, until ctx ends. Several gateways share the work: one at a time has the lease, and whatever it leaves
// undone the next one finds. failed, if any, is told of failures of the store.
func (s *Store) Sweep(ctx context.Context, failed func(error)) {
	for wait := time.Duration(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = sweepLease
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
func (s *Store) SweepOnce(ctx context.Context) (worked bool, err error) {
	mine, err := s.leaseOf(ctx, sweepLeaseName)
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
		return true, s.sweepAPI(ctx, pendingDeletionOf(api), now)
	}
	return s.sweepTombstones(ctx, tombstones, now)
}

// leaseOf takes or renews the right to sweep, and reports whether this gateway has it. It
// is manners, not safety: a sweep that two make at once is as right.
func (s *DB) leaseOf(ctx context.Context, name string) (bool, error) {
	reply, err := s.run(ctx, leaseScript, []string{name}, s.name, sweepLease.Milliseconds())
	return err == nil && number(reply[0]) == 1, err
}

// due returns the API to look at first, "" where none is due, and what is noted of the
// passes over tombstones.
func (s *Store) due(ctx context.Context, now int64) (api, tombstones string, err error) {
	var first, ahead *redis.StringSliceCmd
	var passes *redis.StringCmd
	watched := strconv.FormatInt(now+sweepWatch.Milliseconds(), 10)
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		first = p.ZRangeByScore(ctx, sweepName, &redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(now, 10), Count: 1})
		// Nothing is put off for longer: a wrong clock did, and it is due.
		ahead = p.ZRangeByScore(ctx, sweepName, &redis.ZRangeBy{Min: "(" + watched, Max: "+inf", Count: 1})
		passes = p.Get(ctx, tombstonesDue)
	})
	if all := append(first.Val(), ahead.Val()...); len(all) > 0 {
		api = all[0]
	}
	return api, passes.Val(), err
}

// sweepAPI removes some keys of a deleted API. When none is left it is put off for
// its second pass, and crossed off after that: also where it was not deleted after
// all, because a gateway stopped in between.
func (s *Store) sweepAPI(ctx context.Context, d pendingDeletion, now int64) error {
	there, err := s.definitionTexts(ctx, d.ws, kindAPI, []string{d.api})
	if err != nil {
		return err
	}
	if there[0] == "" {
		if n, err := s.sweepKeys(ctx, d.ws, d.api); err != nil || n > 0 {
			return err
		}
	}
	if d.pass == "1" {
		if err := s.addToSweep(ctx, now+sweepWatch.Milliseconds(), pendingDeletion{"2", d.ws, d.api}); err != nil {
			return err
		}
	}
	return s.pipelined(ctx, func(p redis.Pipeliner) { p.ZRem(ctx, sweepName, d.String()) })
}

// sweepKeys removes the first keys in the list of an API, or when none is left the
// first tombstones: the records, and then the entries, so that a crash leaves entries
// for the next step. It returns how many entries it looked at.
func (s *Store) sweepKeys(ctx context.Context, ws, api string) (int, error) {
	w := &walk{store: s, ws: ws, api: api, at: "-"}
	entries, err := w.entries(ctx, sweepStep)
	if err != nil {
		return 0, err
	}
	if len(entries) == 0 {
		return s.eraseListed(ctx, ws, api, sweepStep)
	}
	loaded, err := s.loadAll(ctx, entries)
	if err != nil {
		return 0, err
	}
	var found []*stored
	var dangling []string // some lead to a tombstone whose entry was not made
	for i, one := range loaded {
		switch {
		case one == nil:
			dangling = append(dangling, entries[i])
		case w.has(one.key):
			found = append(found, one)
		}
	}
	if err := s.eraseEntries(ctx, ws, api, dangling); err != nil {
		return 0, err
	}
	_, again, err := s.deleteOnce(ctx, found, true)
	if err != nil {
		return 0, err
	}
	if err := s.removeStrayPointers(ctx, lost(entries, loaded)); err != nil {
		return 0, err
	}
	return len(entries), s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, entry := range entries {
			if slices.Contains(again, listedID(entry)) {
				continue // somebody changed it: the next step reads it again
			}
			p.ZRem(ctx, keyListName(api, ""), entry)
			if loaded[i] == nil {
				p.Del(ctx, indexName(listedID(entry)))
			}
		}
	})
}

// lost are the entries that lead to no key, or to one whose secret is another one by now.
func lost(entries []string, loaded []*stored) (some []string) {
	for i, entry := range entries {
		if loaded[i] == nil || entryOf(loaded[i].key) != entry {
			some = append(some, entry)
		}
	}
	return some
}

// Sweeping reports whether the keys of a deleted API may still be being removed.
func (s *Store) Sweeping(ctx context.Context, ws, apiID string) (bool, error) {
	var first, second *redis.FloatCmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		first = p.ZScore(ctx, sweepName, pendingDeletion{"1", ws, apiID}.String())
		second = p.ZScore(ctx, sweepName, pendingDeletion{"2", ws, apiID}.String())
	})
	return first.Err() == nil || second.Err() == nil, err
}
