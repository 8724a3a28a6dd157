package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"

	"github.com/redis/go-redis/v9"
)

// Whatever the size of the pages, they give every key exactly once, by id; entries
// that lead nowhere, or to a key that is somebody else's by now, cost no row.
func TestPagesGiveEveryKeyOnce(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		owner := func(i int) string { return []string{"even", "odd"}[i%2] }
		want := s.Stock(57, owner)
		for i := range 40 { // what crashes leave
			s.Must(c.ZAdd(t.Context(), "tg:l:"+s.APIID, redis.Z{Member: fmt.Sprintf("%s~%d", want[i], i)}).Err())
		}
		moved := s.Pages(store.KeyQuery{Limit: 100, ExternalID: "odd"}, true)[3]
		list := "tg:l:" + s.APIID + ":" + s.Read(moved).Resolved.Identity.ID
		s.Must(s.UpdateKey(t.Context(), s.Access, moved, keys.KeyPatch{ExternalID: keys.To("even")}))
		s.Must(c.ZAdd(t.Context(), list, redis.Z{Member: moved}).Err())

		for _, size := range []int{1, 2, 7, 19, 57, 100} {
			for _, inclusive := range []bool{true, false} {
				if got := s.Pages(store.KeyQuery{Limit: size}, inclusive); !slices.Equal(got, want) {
					t.Errorf("pages of %d give %d of %d keys", size, len(got), len(want))
				}
				odd := s.Pages(store.KeyQuery{Limit: size, ExternalID: "odd"}, inclusive)
				even := s.Pages(store.KeyQuery{Limit: size, ExternalID: "even"}, inclusive)
				both := slices.Concat(odd, even)
				slices.Sort(both)
				if !slices.Equal(both, want) || slices.Contains(odd, moved) {
					t.Errorf("pages of %d give %d and %d of %d keys of two identities", size, len(odd), len(even), len(want))
				}
			}
		}
	})
}

// Keys that are made and deleted meanwhile neither hide nor repeat the others.
func TestPagesWhileKeysComeAndGo(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		stay := s.Stock(60, nil)
		stop := make(chan struct{})
		var others sync.WaitGroup
		for range 3 {
			others.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					made, err := s.CreateKey(t.Context(), s.Access, keys.KeyDraft{APIID: s.APIID})
					if err == nil {
						err = s.DeleteKey(t.Context(), s.Access, made.ID, true)
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for range 5 {
			got := slices.DeleteFunc(s.Pages(store.KeyQuery{Limit: 3}, true), func(id string) bool {
				_, old := slices.BinarySearch(stay, id)
				return !old
			})
			if !slices.Equal(got, stay) {
				t.Errorf("%d of %d keys that stayed", len(got), len(stay))
			}
		}
		close(stop)
		others.Wait()
	})
}

// A page of a hundred keys with a hundred owners takes as many round trips as a page
// of one, and a batch of a hundred as many as a batch of one.
func TestRoundTripsDoNotGrow(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		s.Stock(100, func(i int) string { return fmt.Sprint("owner", i) })
		redistest.FailOverNow(c)
		trips := redistest.CountTrips(c)
		cost := func(size int) int64 {
			fresh := &world{World: s.On(c)}
			trips.Take()
			page, err := fresh.Keys(t.Context(), s.Access, store.KeyQuery{APIID: s.APIID, Limit: size})
			s.Must(err)
			if len(page.Keys) != size || page.Keys[size-1].Resolved.Identity == nil {
				t.Fatalf("%d keys", len(page.Keys))
			}
			return trips.Take()
		}
		cost(1) // loads scripts
		if one, all := cost(1), cost(100); one != all || all > 8 {
			t.Errorf("a page of 1 takes %d round trips, one of 100 %d", one, all)
		}
		s.Stock(1, func(int) string { return "owner0" }) // loads scripts, where a replica took over
		trips.Take()
		s.Stock(1, func(int) string { return "owner1" })
		one := trips.Take()
		s.Stock(100, func(i int) string { return fmt.Sprint("owner", i) })
		if all := trips.Take(); all != one {
			t.Errorf("a batch of 1 takes %d round trips, one of 100 %d", one, all)
		}
	})
}

// replyBytes notes how many bytes of strings one exchange has read at most.
type replyBytes struct{ most atomic.Int64 }

// DialHook implements redis.Hook.
func (r *replyBytes) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (r *replyBytes) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook implements redis.Hook.
func (r *replyBytes) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		sum := int64(0)
		for _, cmd := range cmds {
			if reply, ok := cmd.(*redis.StringCmd); ok {
				sum += int64(len(reply.Val()))
			}
		}
		r.most.Store(max(r.most.Load(), sum))
		return err
	}
}

// A page of large records is whole, and Redis is never asked for much of it at once; one of
// small records is read at once.
func TestLargeRecordsAreReadInParts(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		meta := []byte(`{"text":"` + strings.Repeat("x", 60<<10) + `"}`)
		for i := range 30 {
			draft := keys.KeyDraft{APIID: s.APIID}
			if i%3 > 0 {
				draft.Meta = meta
			}
			_, err := s.CreateKey(t.Context(), s.Access, draft)
			s.Must(err)
		}
		read := &replyBytes{}
		c.AddHook(read)
		if all := s.Pages(store.KeyQuery{Limit: 30}, false); len(all) != 30 {
			t.Errorf("%d keys of 30", len(all))
		}
		if most := read.most.Load(); most > 256<<10 || most < 120<<10 {
			t.Errorf("%d bytes in one exchange", most)
		}
	})
}
