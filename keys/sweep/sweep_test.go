package sweep_test

import (
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/keys/sweep"

	"github.com/redis/go-redis/v9"
)

// A sweep leaves nothing of a deleted API's keys, also when the gateway that was at
// it died after any step and another one goes on, and touches no other API's.
func TestSweepLeavesNothing(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		before := len(keystest.Leftovers(t, c))
		doomed := s.APIID
		s.Stock(250, func(i int) string { return []string{"a", "b", ""}[i%3] })
		other, err := s.CreateAPI(t.Context(), s.Access, "other")
		s.Must(err)
		s.APIID = other.ID
		kept := s.Create(keys.KeyDraft{ExternalID: "a"})
		keptNames := 4 // record, index, two lists
		s.Must(s.DeleteAPI(t.Context(), s.Access, doomed))

		worked, err := sweep.New(s.Store).SweepOnce(t.Context())
		s.Must(err)
		if !worked {
			t.Fatal("nothing was swept")
		}
		heir := &world{s.On(c)}
		if worked, _ := sweep.New(heir.Store).SweepOnce(t.Context()); worked {
			t.Error("two gateways sweep at the same time")
		}
		s.Must(c.Del(t.Context(), "tg:s:lease").Err()) // as if its time had passed
		if steps := heir.SweepUp(); steps < 3 || steps > 6 {
			t.Errorf("the rest took %d steps", steps)
		}
		if names := keystest.Leftovers(t, c); len(names) != before+keptNames {
			t.Errorf("left: %s", strings.Join(names, " "))
		}
		s.Read(kept.ID)
		if busy, err := s.Sweeping(t.Context(), s.Access.WorkspaceID, doomed); err != nil || !busy {
			t.Errorf("sweeping %v %v, although a late key may come", busy, err)
		}
	})
}

// A key that was being made while its API was deleted, and is stored when the sweep
// is over, is found by the second pass; an API that was not deleted after all,
// because the gateway died in between, keeps its keys.
func TestSweepTwice(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		s := newWorld(t, c, "w")
		stays := s.Create(keys.KeyDraft{})
		now := float64(clock.Now().UnixMilli())
		s.Must(c.ZAdd(t.Context(), "tg:s", redis.Z{Score: now, Member: "1:" + s.Access.WorkspaceID + ":" + s.APIID}).Err())

		doomed, err := s.CreateAPI(t.Context(), s.Access, "doomed")
		s.Must(err)
		s.Must(s.DeleteAPI(t.Context(), s.Access, doomed.ID))
		s.SweepUp()
		late := &world{s.In(doomed.ID)}
		s.Must(c.Set(t.Context(), "tg:i:key_late", "00aaaaaaaaaaaaaaaaaaaaaa", 0).Err())
		s.Must(c.ZAdd(t.Context(), "tg:l:"+late.APIID, redis.Z{Member: "key_late"}).Err())
		s.SweepUp()
		if n := c.Exists(t.Context(), "tg:i:key_late").Val(); n != 1 {
			t.Fatal("swept before it was due")
		}
		clock.Advance(3 * time.Minute)
		s.Must(c.Del(t.Context(), "tg:s:lease").Err())
		s.SweepUp()
		if n := c.Exists(t.Context(), "tg:i:key_late", "tg:s", "tg:l:"+late.APIID).Val(); n != 0 {
			t.Errorf("%d names are left of what came late", n)
		}
		s.Read(stays.ID)
	})
}

// Deleting an API's keys counts each once, whoever else deletes them; soft deletion
// keeps their digests taken, permanent deletion gives them back.
func TestDeleteKeysCountsEachOnce(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		secret := keys.NewSecret("the one to come back")
		draft := []keys.ImportDraft{{KeyDraft: keys.KeyDraft{APIID: s.APIID}, Secret: secret}}
		for _, permanent := range []bool{true, false} {
			s.Stock(620, nil)
			_, err := s.ImportKeys(t.Context(), s.Access, draft)
			s.Must(err)
			counts := make(chan int64, 2)
			for range 2 {
				go func() {
					n, err := s.DeleteKeys(t.Context(), s.Access, s.APIID, permanent)
					if err != nil {
						t.Error(err)
					}
					counts <- n
				}()
			}
			if n := <-counts + <-counts; n != 621 {
				t.Errorf("deleted %d of 621", n)
			}
			if left := s.Pages(store.KeyQuery{Limit: 100}, true); len(left) != 0 {
				t.Errorf("%d are left", len(left))
			}
		}
		if _, err := s.ImportKeys(t.Context(), s.Access, draft); keystest.Kind(err) != keys.KindConflict {
			t.Errorf("a softly deleted key's digest: %v", err)
		}
	})
}
