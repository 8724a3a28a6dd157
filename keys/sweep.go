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

// doomed is an API in the set of those to sweep. It is looked at twice: at once,
// and a while later, for what came late.
type doomed struct{ pass, ws, api string }

func (d doomed) String() string { return d.pass + ":" + d.ws + ":" + d.api }

func doomedOf(entry string) doomed {
	pass, rest, _ := strings.Cut(entry, ":")
	ws, api, _ := strings.Cut(rest, ":")
	return doomed{pass, ws, api}
}

// condemn notes that an API is about to be deleted: before it is, so that a crash
// leaves nothing that no sweep would find.
func (s *Store) condemn(ctx context.Context, ws, apiID string) error {
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	return s.pipelined(ctx, func(p redis.Pipeliner) {
		p.ZAdd(ctx, sweepName, redis.Z{Score: float64(now), Member: doomed{"1", ws, apiID}.String()})
	})
}

// Sweep removes what is left of the keys of deleted APIs, until ctx ends. Several
// gateways share the work: one at a time has the lease, and whatever it leaves
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
	mine, err := s.lease(ctx)
	if err != nil || !mine {
		return false, err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return false, err
	}
	due, err := s.due(ctx, now)
	if err != nil || len(due) == 0 {
		return false, err
	}
	return true, s.sweepAPI(ctx, doomedOf(due[0]), now)
}

// lease takes or renews the right to sweep. It is manners, not safety: a sweep
// that two make at once is as right.
func (s *Store) lease(ctx context.Context) (bool, error) {
	var won *redis.BoolCmd
	var holder *redis.StringCmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		won = p.SetNX(ctx, sweepLeaseName, s.name, sweepLease)
		holder = p.Get(ctx, sweepLeaseName)
	})
	if err != nil || won.Val() || holder.Val() != s.name {
		return won.Val(), err
	}
	return true, s.pipelined(ctx, func(p redis.Pipeliner) { p.PExpire(ctx, sweepLeaseName, sweepLease) })
}

// due gives the API to look at first, if one is due.
func (s *Store) due(ctx context.Context, now int64) ([]string, error) {
	var first *redis.StringSliceCmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		first = p.ZRangeByScore(ctx, sweepName, &redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(now, 10), Count: 1})
	})
	return first.Val(), err
}

// sweepAPI removes some keys of a deleted API. When none is left it is put off for
// its second pass, and crossed off after that: also where it was not deleted after
// all, because a gateway stopped in between.
func (s *Store) sweepAPI(ctx context.Context, d doomed, now int64) error {
	there, err := s.definitionTexts(ctx, d.ws, nounAPI, []string{d.api})
	if err != nil {
		return err
	}
	if there[0] == "" {
		if n, err := s.sweepKeys(ctx, d.ws, d.api); err != nil || n > 0 {
			return err
		}
	}
	return s.pipelined(ctx, func(p redis.Pipeliner) {
		if d.pass == "1" {
			again := redis.Z{Score: float64(now + sweepWatch.Milliseconds()), Member: doomed{"2", d.ws, d.api}.String()}
			p.ZAdd(ctx, sweepName, again)
		}
		p.ZRem(ctx, sweepName, d.String())
	})
}

// sweepKeys removes the first keys in the list of an API: the records, and then
// the entries, so that a crash leaves entries for the next step.
func (s *Store) sweepKeys(ctx context.Context, ws, api string) (int, error) {
	w := &walk{store: s, ws: ws, api: api, at: "-"}
	entries, err := w.entries(ctx, sweepStep)
	if err != nil || len(entries) == 0 {
		return 0, err
	}
	loaded, err := s.loadAll(ctx, entries)
	if err != nil {
		return 0, err
	}
	var found []*stored
	for _, one := range loaded {
		if one != nil && w.has(one.key) {
			found = append(found, one)
		}
	}
	_, again, err := s.buryOnce(ctx, found, true)
	if err != nil {
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

// Sweeping tells whether the keys of a deleted API may still be being removed.
func (s *Store) Sweeping(ctx context.Context, ws, apiID string) (bool, error) {
	var first, second *redis.FloatCmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		first = p.ZScore(ctx, sweepName, doomed{"1", ws, apiID}.String())
		second = p.ZScore(ctx, sweepName, doomed{"2", ws, apiID}.String())
	})
	return first.Err() == nil || second.Err() == nil, err
}
