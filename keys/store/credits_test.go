package store_test

import (
	"sync"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/ratelimit"
	"tollgate/refill"

	"github.com/redis/go-redis/v9"
)

// A change of a key's balance is a change of the key: each kind moves updatedAt, by Redis's
// clock, and nothing else of its record.
func TestUpdateCreditsMovesUpdatedAt(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		made := s.Create(keys.KeyDraft{
			Name: "n\x14\x1b", Remaining: keystest.Uses(10), Refill: &refill.Schedule{Amount: 9}, Limits: []ratelimit.Limit{{Name: "a", Limit: 3, Duration: 1000}},
		})
		last := s.Read(made.ID)
		for _, op := range []keys.CreditsOperation{store.SetCredits, store.IncrementCredits, store.DecrementCredits, store.DecrementCredits} {
			time.Sleep(3 * time.Millisecond)
			before, err := s.Now(t.Context())
			s.Must(err)
			_, _, err = s.UpdateCredits(t.Context(), s.Access, made.ID, op, keystest.Uses(2))
			s.Must(err)
			after, err := s.Now(t.Context())
			s.Must(err)
			now := s.Read(made.ID)
			if at := now.Key.UpdatedAt; at < before || at > after {
				t.Errorf("%s between %d and %d: updated at %d", op, before, after, at)
			}
			if now.Key.Name != last.Key.Name || now.Key.Refill == nil || len(now.Key.Limits) != 1 || now.Key.CreatedAt != last.Key.CreatedAt {
				t.Errorf("%s made %+v of %+v", op, now.Key, last.Key)
			}
		}
	})
}

// Changes of one balance at the same moment are all made, each once, though each moves
// updatedAt as well.
func TestUpdateCreditsAtTheSameMoment(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		made := s.Create(keys.KeyDraft{Remaining: keystest.Uses(0)})
		var all sync.WaitGroup
		for range 24 {
			all.Go(func() {
				for range 5 {
					if _, _, err := s.UpdateCredits(t.Context(), s.Access, made.ID, store.IncrementCredits, keystest.Uses(3)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if d := s.Read(made.ID); d.State.Balance != 24*5*3 {
			t.Errorf("%d left, want %d", d.State.Balance, 24*5*3)
		}
	})
}
