package store_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// lists names the list of the API and those of its identities.
func (s *world) lists(externalIDs ...string) []string {
	s.TB.Helper()
	names := []string{"tg:l:" + s.APIID}
	for _, external := range externalIDs {
		identity, err := s.Identity(s.TB.Context(), s.Access, keys.IdentityRef{ExternalID: external})
		s.Must(err)
		names = append(names, "tg:l:"+s.APIID+":"+identity.ID)
	}
	return names
}

// age gives keys the entries that an older version made: the id alone.
func (s *world) age(lists []string, ids ...string) {
	s.TB.Helper()
	for _, list := range lists {
		entries, err := s.Redis().ZRange(s.TB.Context(), list, 0, -1).Result()
		s.Must(err)
		for _, entry := range entries {
			if id, _, _ := strings.Cut(entry, " "); slices.Contains(ids, id) {
				s.Must(s.Redis().ZRem(s.TB.Context(), list, entry).Err())
				s.Must(s.Redis().ZAdd(s.TB.Context(), list, redis.Z{Member: id}).Err())
			}
		}
	}
}

// entries are those of a list.
func (s *world) entries(list string) []string {
	s.TB.Helper()
	all, err := s.Redis().ZRange(s.TB.Context(), list, 0, -1).Result()
	s.Must(err)
	return all
}

// alternate returns every second one.
func alternate(all []string) (some []string) {
	for i := 0; i < len(all); i += 2 {
		some = append(some, all[i])
	}
	return some
}

// Keys that an older version listed are in the pages like others, in their order, also
// where a cursor stands at one of them; and a key that has entries of both forms is
// there once.
func TestPagesOfOlderEntries(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		want := s.Stock(31, func(int) string { return "one" })
		lists := s.lists("one")
		s.age(lists, alternate(want)...)
		for i, id := range want {
			if i%4 < 2 { // of the other form too
				for _, list := range lists {
					s.Must(c.ZAdd(t.Context(), list, redis.Z{Member: id}).Err())
				}
			}
		}
		for _, size := range []int{1, 2, 3, 10, 31, 100} {
			for _, inclusive := range []bool{true, false} {
				for _, external := range []string{"", "one"} {
					if got := s.Pages(store.KeyQuery{Limit: size, ExternalID: external}, inclusive); !slices.Equal(got, want) {
						t.Errorf("pages of %d of %q give %d of %d keys", size, external, len(got), len(want))
					}
				}
			}
		}
	})
}

// Whoever moves, deletes or sweeps keys takes away their entries of either form.
func TestOlderEntriesGo(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		before := len(keystest.Leftovers(t, c))
		ids := s.Stock(12, func(int) string { return "one" })
		lists := s.lists("one")
		s.age(lists, alternate(ids)...)

		for _, id := range ids[:4] {
			s.Must(s.UpdateKey(t.Context(), s.Access, id, keys.KeyPatch{ExternalID: keys.To("two")}))
		}
		lists = s.lists("one", "two")
		for i, want := range []int{12, 8, 4} {
			if got := s.entries(lists[i]); len(got) != want {
				t.Errorf("%d keys have these entries after some were moved: %q", want, got)
			}
		}
		for i, id := range ids[2:8] {
			s.Must(s.DeleteKey(t.Context(), s.Access, id, i%3 == 0))
		}
		for i, want := range []int{6, 4, 2} {
			if got := s.entries(lists[i]); len(got) != want {
				t.Errorf("%d keys have these entries after some were deleted: %q", want, got)
			}
		}
		if n, err := s.DeleteKeys(t.Context(), s.Access, s.APIID, true); err != nil || n != 6 {
			t.Errorf("deleted %d of 6: %v", n, err)
		}
		if names := keystest.Leftovers(t, c); len(names) != before {
			t.Errorf("left: %q", names)
		}
		s.age(s.lists(), alternate(s.Stock(9, nil))...)
		s.Must(s.DeleteAPI(t.Context(), s.Access, s.APIID))
		s.SweepUp()
		if names := keystest.Leftovers(t, c); len(names) != before {
			t.Errorf("left by the sweep: %q", names)
		}
	})
}

// A key that is rerolled is another key: each leads to its own secret, and each is
// deleted alone.
func TestEntriesOfARerolledKey(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		old := s.Create(keys.KeyDraft{ExternalID: "one"})
		lists := s.lists("one")
		s.age(lists, old.ID)
		made, err := s.RerollKey(t.Context(), s.Access, old.ID, store.Reroll{Grace: 60_000})
		s.Must(err)
		for _, row := range []struct {
			delete string
			left   []string
		}{{"", []string{old.ID, made.ID}}, {old.ID, []string{made.ID}}, {made.ID, nil}} {
			if row.delete != "" {
				s.Must(s.DeleteKey(t.Context(), s.Access, row.delete, true))
			}
			for _, external := range []string{"", "one"} {
				if got := s.Pages(store.KeyQuery{Limit: 1, ExternalID: external}, true); !slices.Equal(got, row.left) {
					t.Errorf("after %q was deleted: %q", row.delete, got)
				}
			}
		}
		for _, list := range lists {
			if left := s.entries(list); len(left) != 0 {
				t.Errorf("left: %q", left)
			}
		}
	})
}

// A key that came with a migration is listed once before, while and after it gets its
// final place, whatever a crash leaves of that; when it is deleted no entry is left.
func TestEntriesOfAnAdoptedKey(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		m := newMigrating(t, c)
		s := &world{World: m.World}
		const n = 12
		var plaintexts, hashes []string
		for i := range n {
			plaintext, hash := seam(fmt.Sprint("long", i))
			plaintexts, hashes = append(plaintexts, plaintext), append(hashes, hash)
		}
		ids := m.migrate(keys.PrefixedAPIKey, keys.KeyDraft{ExternalID: "one"}, hashes...)
		want := slices.Sorted(slices.Values(ids))
		lists := s.lists("one")
		check := func(when string) {
			t.Helper()
			for _, external := range []string{"", "one"} {
				if got := s.Pages(store.KeyQuery{Limit: 5, ExternalID: external}, true); !slices.Equal(got, want) {
					t.Errorf("%s: %d of %d keys", when, len(got), n)
				}
			}
		}
		check("waiting")

		var all sync.WaitGroup
		for range 2 {
			gateway := verify.New(store.Open(c, store.Options{Timeout: 5 * time.Second}), verify.Options{Timeout: 10 * time.Second})
			all.Go(func() {
				for _, plaintext := range plaintexts {
					r := &verify.Request{RootKey: m.root, Secret: keys.NewSecret(plaintext), Cost: 1}
					if o, err := gateway.VerifyMigrated(context.Background(), r, "from.seam"); err != nil || o.Code != verify.Valid {
						t.Error(o, err)
					}
				}
			})
		}
		for range 5 {
			got := s.Pages(store.KeyQuery{Limit: 5}, true)
			if once := slices.Compact(slices.Sorted(slices.Values(got))); len(once) != len(got) {
				t.Errorf("a key is there twice: %q", got)
			}
		}
		all.Wait()
		check("in their places")
		for _, list := range lists {
			if got := s.entries(list); len(got) != n {
				t.Errorf("%d keys have these entries: %q", n, got)
			}
			for _, id := range ids[:n/2] { // as if the gateway had died before it took them away
				s.Must(c.ZAdd(t.Context(), list, redis.Z{Member: id}).Err())
			}
		}
		check("after a crash")
		for _, id := range ids {
			s.Must(s.DeleteKey(t.Context(), s.Access, id, true))
		}
		for _, list := range lists {
			if got := s.entries(list); len(got) != 0 {
				t.Errorf("left: %q", got)
			}
		}
	})
}

// asked counts commands that look into the index.
type asked struct{ n atomic.Int64 }

func (h *asked) count(cmds ...redis.Cmder) {
	for _, cmd := range cmds {
		for _, arg := range cmd.Args() {
			if name, ok := arg.(string); ok && strings.HasPrefix(name, "tg:i:") {
				h.n.Add(1)
			}
		}
	}
}

func (*asked) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (h *asked) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { h.count(cmd); return next(ctx, cmd) }
}

func (h *asked) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { h.count(cmds...); return next(ctx, cmds) }
}

// A page looks into the index for those keys alone that an older version listed.
func TestPagesDoNotAskTheIndex(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		ids := s.Stock(100, nil)
		hook := new(asked)
		c.AddHook(hook)
		for _, want := range []int64{0, 3} {
			s.age(s.lists(), ids[:want]...)
			hook.n.Store(0)
			if got := s.Pages(store.KeyQuery{Limit: 100}, true); !slices.Equal(got, ids) {
				t.Errorf("%d keys", len(got))
			}
			if n := hook.n.Load(); n != want {
				t.Errorf("%d looks into the index, want %d", n, want)
			}
		}
	})
}

// Root keys that an older version listed are listed.
func TestOlderRootKeys(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		ws := s.Access.WorkspaceID
		var ids []string
		for range 4 {
			id, _, err := s.CreateRootKey(t.Context(), ws, keys.RootDraft{Grants: []string{keys.Everything}})
			s.Must(err)
			ids = append(ids, id)
		}
		list := "tg:l:{" + ws + "}root_key"
		if got := s.entries(list); len(got) != len(ids) {
			t.Fatalf("%s: %q", list, got)
		}
		s.age([]string{list}, ids[1:3]...)
		for len(ids) > 0 {
			found, _, err := s.RootKeys(t.Context(), ws, 0)
			s.Must(err)
			if len(found) != len(ids) {
				t.Errorf("%d of %d root keys", len(found), len(ids))
			}
			s.Must(s.DeleteRootKey(t.Context(), ws, ids[0]))
			ids = ids[1:]
		}
		if left := s.entries(list); len(left) != 0 {
			t.Errorf("left: %q", left)
		}
	})
}
