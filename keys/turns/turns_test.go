package turns

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/keys"
	"tollgate/keys/redisdb"
)

// Those that wait are served by owner, however many one of them has.
func TestTurnsAreFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := &Queue{free: 1}
		first, err := turns.Take(t.Context(), "loud")
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []string
		var group sync.WaitGroup
		for _, owner := range []string{"loud", "loud", "loud", "quiet", "calm", "loud", "quiet"} {
			group.Go(func() {
				turn, err := turns.Take(t.Context(), owner)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, owner)
				mu.Unlock()
				turn.End()
			})
			synctest.Wait()
		}
		first.End()
		group.Wait()
		if want := []string{"loud", "quiet", "calm", "loud", "quiet", "loud", "loud"}; !slices.Equal(order, want) {
			t.Errorf("served %v, want %v", order, want)
		}
		if turns.free != 1 || len(turns.owners) != 0 {
			t.Errorf("%d free in the end, %d wait", turns.free, len(turns.owners))
		}
	})
}

// Who waits for too long leaves its place to the others, and no turn is lost.
func TestTurnsOfThoseWhoLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := &Queue{free: 1}
		turn, err := turns.Take(t.Context(), "busy")
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for range 5 {
			group.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := turns.Take(ctx, "waits"); err == nil || keys.AsError(err).Kind != keys.KindUnavailable || !redisdb.NotRun(err) {
					t.Error(err)
				}
			})
		}
		group.Wait()
		turn.End()
		time.Sleep(2 * longestRest)
		if turns.free != 1 || len(turns.owners) != 0 {
			t.Errorf("%d free in the end, %d wait", turns.free, len(turns.owners))
		}
	})
}

// Behind a turn that took long nobody works for as long again, at most longestRest; behind a
// brief one somebody does at once.
func TestATurnIsFollowedByARest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := &Queue{free: 1}
		for took, rest := range map[time.Duration]time.Duration{
			0: 0, briefWork: 0, time.Millisecond: time.Millisecond, longestRest: longestRest, time.Second: longestRest,
		} {
			turn, err := turns.Take(t.Context(), "one")
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(took)
			turn.End()
			began := time.Now()
			if turn, err = turns.Take(t.Context(), "another"); err != nil {
				t.Fatal(err)
			}
			if waited := time.Since(began); waited != rest {
				t.Errorf("behind a turn of %v: a rest of %v, want %v", took, waited, rest)
			}
			turn.End()
		}
	})
}

// In the midst of a turn work rests as long as it has worked, and only once that is long; what
// it has rested for then is not rested for again at the end.
func TestATurnRestsInItsMidst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := &Queue{free: 1}
		for worked, rest := range map[time.Duration]time.Duration{
			0: 0, longWork - 1: 0, longWork: longWork, 7 * time.Millisecond: 7 * time.Millisecond, time.Second: longestRest,
		} {
			turn, err := turns.Take(t.Context(), "one")
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(worked)
			began := time.Now()
			turn.Rest()
			if rested := time.Since(began); rested != rest {
				t.Errorf("rested %v from %v of work, want %v", rested, worked, rest)
			}
			turn.End()
			if rest > 0 && turns.free != 1 {
				t.Errorf("the turn rests again at its end, behind %v of work", worked)
			}
			time.Sleep(longestRest)
		}
		var none *Turn
		none.Rest()
		none.End()
	})
}
