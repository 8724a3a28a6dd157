package web

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Those that wait are served by owner, however many one of them has.
func TestTurnsAreFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := &turns{free: 1}
		if err := turns.take(t.Context(), "loud"); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []string
		var group sync.WaitGroup
		for _, owner := range []string{"loud", "loud", "loud", "quiet", "calm", "loud", "quiet"} {
			group.Go(func() {
				if err := turns.take(t.Context(), owner); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, owner)
				mu.Unlock()
				turns.end()
			})
			synctest.Wait()
		}
		turns.end()
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
		turns := &turns{free: 1}
		_ = turns.take(t.Context(), "busy")
		var group sync.WaitGroup
		for range 5 {
			group.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := turns.take(ctx, "waits"); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
		}
		group.Wait()
		turns.end()
		if turns.free != 1 || len(turns.owners) != 0 {
			t.Errorf("%d free in the end, %d wait", turns.free, len(turns.owners))
		}
	})
}
