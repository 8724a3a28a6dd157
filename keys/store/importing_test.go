package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/ratelimit"
	"tollgate/refill"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

func (s *world) drafts(prefix string, n int) []keys.ImportDraft {
	drafts := make([]keys.ImportDraft, n)
	for i := range drafts {
		drafts[i].APIID, drafts[i].Secret = s.APIID, keys.NewSecret(fmt.Sprint(prefix, i))
	}
	return drafts
}

// A batch is stored whole or not at all: a digest that is taken, twice in the batch,
// or soft-deleted, leaves nothing of the others behind.
func TestImportIsAllOrNothing(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		first, err := s.ImportKeys(t.Context(), s.Access, s.drafts("taken", 1))
		s.Must(err)
		names := len(keystest.Leftovers(t, c))
		for _, deleted := range []bool{false, true} {
			if deleted {
				s.Must(s.DeleteKey(t.Context(), s.Access, first[0], false))
				names = len(keystest.Leftovers(t, c))
			}
			batch := append(s.drafts("fresh", 60), s.drafts("taken", 1)...)
			if _, err := s.ImportKeys(t.Context(), s.Access, batch); keystest.Kind(err) != keys.KindConflict {
				t.Errorf("deleted %v: %v", deleted, err)
			}
			if left := keystest.Leftovers(t, c); len(left) != names {
				t.Errorf("deleted %v: %d names instead of %d", deleted, len(left), names)
			}
		}
		twice := append(s.drafts("fresh", 3), s.drafts("fresh", 1)...)
		if _, err := s.ImportKeys(t.Context(), s.Access, twice); keystest.Kind(err) != keys.KindConflict || len(keystest.Leftovers(t, c)) != names {
			t.Errorf("twice in a batch: %v", err)
		}
		ids, err := s.ImportKeys(t.Context(), s.Access, s.drafts("fresh", 60))
		s.Must(err)
		if len(ids) != 60 {
			t.Errorf("%d keys", len(ids))
		}
	})
}

// The same digests imported by many at once exist once, and each is one importer's.
func TestImportNewIsOnce(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		var all sync.WaitGroup
		var mu sync.Mutex
		owned := map[int]int{}
		for range 4 {
			all.Go(func() {
				ids, err := s.ImportNewKeys(t.Context(), s.Access, s.drafts("same", 150))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				for i, id := range ids {
					if id != "" {
						owned[i]++
						if got := s.Read(id).Key.Digest; got != keys.NewSecret(fmt.Sprint("same", i)).Digest() {
							t.Errorf("key %d has another digest", i)
						}
					}
				}
			})
		}
		all.Wait()
		for i := range 150 {
			if owned[i] != 1 {
				t.Errorf("key %d has %d owners", i, owned[i])
			}
		}
		if got := s.Pages(store.KeyQuery{Limit: 100}, true); len(got) != 150 {
			t.Errorf("%d keys are listed", len(got))
		}
	})
}

// What refers to names that are not there is refused or made as it says.
func TestImportRefers(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		batch := s.drafts("k", 20)
		for i := range batch {
			batch[i].Permissions = keys.Named([]string{"a.read", fmt.Sprint("p", i%3)}, catalog.CreateFreely)
			batch[i].Roles = keys.Named([]string{"admin"}, catalog.Demand)
			batch[i].ExternalID = fmt.Sprint("user", i%4)
			batch[i].Remaining, batch[i].Refill = keystest.Uses(7), &refill.Schedule{Amount: 9}
			batch[i].Limits = []ratelimit.Limit{{Name: "l", Limit: 3, Duration: 60000}}
		}
		if _, err := s.ImportKeys(t.Context(), s.Access, batch); keystest.Kind(err) != keys.KindPrecondition {
			t.Errorf("a role that must be there: %v", err)
		}
		for i := range batch {
			batch[i].Roles[0].Missing = catalog.Create
		}
		ids, err := s.ImportKeys(t.Context(), s.Access, batch)
		s.Must(err)
		for i, id := range ids {
			d := s.Read(id)
			want := []string{"a.read", fmt.Sprint("p", i%3)}
			if fmt.Sprint(d.Resolved.Direct) != fmt.Sprint(want) || d.Resolved.RoleNames()[0] != "admin" ||
				d.Resolved.Identity.ExternalID != fmt.Sprint("user", i%4) || d.State.Balance != 7 || d.State.NextRefill != d.Key.Refill.Next(d.Now) ||
				len(d.State.Windows) != 1 {
				t.Errorf("key %d: %+v %+v", i, d.Resolved, d.State)
			}
		}
		stranger := newWorld(t, c, "stranger")
		if _, err := s.ImportKeys(t.Context(), stranger.Access, s.drafts("x", 1)); keystest.Kind(err) != keys.KindNotFound {
			t.Errorf("into another workspace's API: %v", err)
		}
		reader := (&keys.Caller{WorkspaceID: s.Access.WorkspaceID, Grants: []string{"api.*.read_key"}}).As(keys.CreateKey)
		if _, err := s.ImportKeys(t.Context(), reader, s.drafts("x", 1)); keystest.Kind(err) != keys.KindMissingPermission {
			t.Errorf("without the right: %v", err)
		}
	})
}

// A rerolled key has all that the old one had, its prefix whatever is in it, and the
// old one ends exactly when it was said to.
func TestReroll(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		s := newWorld(t, c, "w")
		for _, prefix := range []string{"", "sk", "sk_live", "_", "a__b", "é_ü", "0123456789abcdef"} {
			made := s.Create(keys.KeyDraft{
				Prefix: prefix, Header: true, Name: "n", ExternalID: "user", Meta: []byte(`{"a":1}`), Environment: "e", Expires: keys.MaxTime,
				Permissions: keys.Named([]string{"p"}, catalog.CreateFreely), Roles: keys.Named([]string{"r"}, catalog.CreateFreely),
				Remaining: keystest.Uses(5), Refill: &refill.Schedule{Amount: 9, Day: 3}, Limits: []ratelimit.Limit{{Name: "l", Limit: 3, Duration: 60000, AutoApply: true}},
			})
			next, err := s.RerollKey(t.Context(), s.Access, made.ID, store.Reroll{Grace: 1500})
			s.Must(err)
			was, is := s.Read(made.ID), s.Read(next.ID)
			if next.ID == made.ID || next.Secret == made.Secret || is.Key.Digest != next.Secret.Digest() {
				t.Error("not a new key")
			}
			if want := prefix + "_"; prefix != "" && next.Secret.Reveal()[:len(want)] != want {
				t.Errorf("prefix %q: %s", prefix, next.Secret.Reveal())
			}
			if was.Key.Expires != was.Key.UpdatedAt+1500 || is.Key.Expires != keys.MaxTime {
				t.Errorf("expires %d after %d, new %d", was.Key.Expires, was.Key.UpdatedAt, is.Key.Expires)
			}
			k, o := is.Key, was.Key
			if k.Name != o.Name || string(k.Meta) != string(o.Meta) || k.IdentityID != o.IdentityID || k.Environment != o.Environment ||
				fmt.Sprint(k.Permissions, k.Roles) != fmt.Sprint(o.Permissions, o.Roles) || *k.Refill != *o.Refill || is.State.Balance != 5 ||
				is.State.NextRefill != was.State.NextRefill || k.Limits[0] != o.Limits[0] {
				t.Errorf("%+v\n%+v", k, o)
			}
			again, err := s.RerollKey(t.Context(), s.Access, next.ID, store.Reroll{})
			s.Must(err)
			if d := s.Read(next.ID); d.Key.Expires > d.Now {
				t.Error("the old key goes on")
			}
			if first, second := next.Secret.Reveal(), again.Secret.Reveal(); prefix != "" && first[:len(prefix)+1] != second[:len(prefix)+1] {
				t.Errorf("%s became %s", first, second)
			}
		}
		if _, err := s.RerollKey(t.Context(), s.Access, "key_unknown", store.Reroll{}); keystest.Kind(err) != keys.KindNotFound {
			t.Error(err)
		}
		if _, err := s.RerollKey(t.Context(), s.Access, "key_unknown", store.Reroll{Grace: -1}); keystest.Kind(err) != keys.KindInvalid {
			t.Error(err)
		}
	})
}

// However a key is used while it is rerolled with an end at once, the uses of both
// are those that it had.
func TestRerollSpendsNothingTwice(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		gateway := verify.New(store.Open(c, store.Options{Timeout: 10 * time.Second}), verify.Options{Timeout: 10 * time.Second})
		for range 10 {
			made := s.Create(keys.KeyDraft{Remaining: keystest.Uses(1000)})
			var spent int64
			var user sync.WaitGroup
			stop := make(chan struct{})
			user.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					o, err := gateway.Verify(t.Context(), &verify.Request{Secret: made.Secret, Cost: 1})
					if err != nil {
						t.Error(err)
						return
					}
					if o.Code == verify.Valid {
						spent++
					}
				}
			})
			time.Sleep(3 * time.Millisecond)
			next, err := s.RerollKey(t.Context(), s.Access, made.ID, store.Reroll{})
			s.Must(err)
			close(stop)
			user.Wait()
			if left := s.Read(next.ID).State.Balance; left+spent != 1000 {
				t.Errorf("%d left and %d spent of 1000", left, spent)
			}
		}
	})
}
