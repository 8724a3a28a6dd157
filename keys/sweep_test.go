package keys_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/keys/sweep"

	"github.com/redis/go-redis/v9"
)

// leftovers lists what an API's keys have in Redis.
func leftovers(t *testing.T, c redis.UniversalClient) (names []string) {
	t.Helper()
	each := func(c redis.UniversalClient) error {
		for _, pattern := range []string{"tg:k:*", "tg:i:*", "tg:l:api_*", "tg:n:*"} {
			found, err := c.Keys(t.Context(), pattern).Result()
			if err != nil {
				return err
			}
			names = append(names, found...)
		}
		return nil
	}
	if cluster, ok := c.(*redis.ClusterClient); ok {
		for _, node := range masters(t, cluster) {
			if err := each(node); err != nil {
				t.Fatal(err)
			}
		}
	} else if err := each(c); err != nil {
		t.Fatal(err)
	}
	return names
}

// sweepUp sweeps until there is nothing left to do.
func (s *shop) sweepUp() (steps int) {
	s.t.Helper()
	sweeper := sweep.New(s.Store)
	for ; ; steps++ {
		worked, err := sweeper.SweepOnce(s.t.Context())
		s.must(err)
		if !worked {
			return steps
		}
	}
}

// A sweep leaves nothing of a deleted API's keys, also when the gateway that was at
// it died after any step and another one goes on, and touches no other API's.
func TestSweepLeavesNothing(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := open(t, c, "w")
		before := len(leftovers(t, c))
		doomed := s.api
		s.stock(250, func(i int) string { return []string{"a", "b", ""}[i%3] })
		other, err := s.CreateAPI(t.Context(), s.access, "other")
		s.must(err)
		s.api = other.ID
		kept := s.create(keys.KeyDraft{ExternalID: "a"})
		keptNames := 4 // record, index, two lists
		s.must(s.DeleteAPI(t.Context(), s.access, doomed))

		worked, err := sweep.New(s.Store).SweepOnce(t.Context())
		s.must(err)
		if !worked {
			t.Fatal("nothing was swept")
		}
		heir := &shop{Store: store.Open(c, store.Options{Timeout: 10 * time.Second}), t: t, access: s.access, api: s.api}
		if worked, _ := sweep.New(heir.Store).SweepOnce(t.Context()); worked {
			t.Error("two gateways sweep at the same time")
		}
		s.must(c.Del(t.Context(), "tg:s:lease").Err()) // as if its time had passed
		if steps := heir.sweepUp(); steps < 3 || steps > 6 {
			t.Errorf("the rest took %d steps", steps)
		}
		if names := leftovers(t, c); len(names) != before+keptNames {
			t.Errorf("left: %s", strings.Join(names, " "))
		}
		s.read(kept.ID)
		if busy, err := s.Sweeping(t.Context(), s.access.WorkspaceID, doomed); err != nil || !busy {
			t.Errorf("sweeping %v %v, although a late key may come", busy, err)
		}
	})
}

// A key that was being made while its API was deleted, and is stored when the sweep
// is over, is found by the second pass; an API that was not deleted after all,
// because the gateway died in between, keeps its keys.
func TestSweepTwice(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		s := open(t, c, "w")
		stays := s.create(keys.KeyDraft{})
		now := float64(clock.Now().UnixMilli())
		s.must(c.ZAdd(t.Context(), "tg:s", redis.Z{Score: now, Member: "1:" + s.access.WorkspaceID + ":" + s.api}).Err())

		doomed, err := s.CreateAPI(t.Context(), s.access, "doomed")
		s.must(err)
		s.must(s.DeleteAPI(t.Context(), s.access, doomed.ID))
		s.sweepUp()
		late := &shop{Store: s.Store, t: t, access: s.access, api: doomed.ID}
		s.must(c.Set(t.Context(), "tg:i:key_late", "00aaaaaaaaaaaaaaaaaaaaaa", 0).Err())
		s.must(c.ZAdd(t.Context(), "tg:l:"+late.api, redis.Z{Member: "key_late"}).Err())
		s.sweepUp()
		if n := c.Exists(t.Context(), "tg:i:key_late").Val(); n != 1 {
			t.Fatal("swept before it was due")
		}
		clock.Advance(3 * time.Minute)
		s.must(c.Del(t.Context(), "tg:s:lease").Err())
		s.sweepUp()
		if n := c.Exists(t.Context(), "tg:i:key_late", "tg:s", "tg:l:"+late.api).Val(); n != 0 {
			t.Errorf("%d names are left of what came late", n)
		}
		s.read(stays.ID)
	})
}

// Deleting an API's keys counts each once, whoever else deletes them; soft deletion
// keeps their digests taken, permanent deletion gives them back.
func TestDeleteKeysCountsEachOnce(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := open(t, c, "w")
		secret := keys.NewSecret("the one to come back")
		draft := []keys.ImportDraft{{KeyDraft: keys.KeyDraft{APIID: s.api}, Secret: secret}}
		for _, permanent := range []bool{true, false} {
			s.stock(620, nil)
			_, err := s.ImportKeys(t.Context(), s.access, draft)
			s.must(err)
			counts := make(chan int64, 2)
			for range 2 {
				go func() {
					n, err := s.DeleteKeys(t.Context(), s.access, s.api, permanent)
					if err != nil {
						t.Error(err)
					}
					counts <- n
				}()
			}
			if n := <-counts + <-counts; n != 621 {
				t.Errorf("deleted %d of 621", n)
			}
			if left := s.pages(store.KeyQuery{Limit: 100}, true); len(left) != 0 {
				t.Errorf("%d are left", len(left))
			}
		}
		if _, err := s.ImportKeys(t.Context(), s.access, draft); kind(err) != keys.KindConflict {
			t.Errorf("a softly deleted key's digest: %v", err)
		}
	})
}

// masters returns a client of each node that has slots of its own.
func masters(t *testing.T, c *redis.ClusterClient) (all []*redis.Client) {
	t.Helper()
	var mu = make(chan struct{}, 1)
	err := c.ForEachMaster(t.Context(), func(_ context.Context, node *redis.Client) error {
		mu <- struct{}{}
		all = append(all, node)
		<-mu
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
