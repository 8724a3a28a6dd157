package catalog_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/ratelimit"

	"github.com/redis/go-redis/v9"
)

func shared(name string, n int64) ratelimit.Limit {
	return ratelimit.Limit{Name: name, Limit: n, Duration: 3600_000, AutoApply: true}
}

// An identity reads back as it was made and changed; limits keep their ids by name.
func TestIdentityReadsBack(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		made, err := s.CreateIdentity(t.Context(), s.Access, keys.IdentityDraft{ExternalID: "user_1", Meta: []byte(`{"a":1}`), Limits: []ratelimit.Limit{shared("x", 1), shared("y", 2)}})
		s.Must(err)
		for _, ref := range []keys.IdentityRef{{ID: made.ID}, {ExternalID: "user_1"}, {ID: "user_1", ExternalID: "user_1"}, {ID: made.ID, ExternalID: made.ID}} {
			got, err := s.Identity(t.Context(), s.Access, ref)
			if err != nil || got.ID != made.ID || string(got.Meta) != `{"a":1}` || len(got.Limits) != 2 || got.Limits[0] != made.Limits[0] {
				t.Errorf("%+v: %+v, %v", ref, got, err)
			}
		}
		for _, ref := range []keys.IdentityRef{{}, {ID: "user_1"}, {ExternalID: made.ID}, {ExternalID: "user_1", Environment: "other"}} {
			if _, err := s.Identity(t.Context(), s.Access, ref); keystest.Kind(err) != keys.KindNotFound {
				t.Errorf("%+v: %v", ref, err)
			}
		}
		off := shared("y", 5)
		off.AutoApply = false
		patch := keys.IdentityPatch{Limits: keys.To([]ratelimit.Limit{shared("z", 3), off}), KeepAutoApply: true}
		got, err := s.UpdateIdentity(t.Context(), s.Access, keys.IdentityRef{ExternalID: "user_1"}, patch)
		s.Must(err)
		y := shared("y", 5)
		y.ID = made.Limits[1].ID
		if string(got.Meta) != `{"a":1}` || len(got.Limits) != 2 || got.Limits[1] != y || got.Limits[0].ID == "" {
			t.Errorf("%+v", got)
		}
		patch.KeepAutoApply = false
		if got, err = s.UpdateIdentity(t.Context(), s.Access, keys.IdentityRef{ID: made.ID}, patch); err != nil || got.Limits[1].AutoApply {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err = s.UpdateIdentity(t.Context(), s.Access, keys.IdentityRef{ID: made.ID}, keys.IdentityPatch{Meta: keys.Cleared[[]byte]()}); err != nil || got.Meta != nil || len(got.Limits) != 2 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// A key of an identity that was deleted goes on without it, is nobody's, and is not
// handed to the next one with its external id.
func TestDeletedIdentityLeavesItsKeys(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		key := s.Create(keys.KeyDraft{ExternalID: "user_1"})
		listed := func() int {
			page, err := s.Keys(t.Context(), s.Access, store.KeyQuery{APIID: s.APIID, ExternalID: "user_1", Limit: 10})
			s.Must(err)
			return len(page.Keys)
		}
		before, err := s.Identity(t.Context(), s.Access, keys.IdentityRef{ExternalID: "user_1"})
		s.Must(err)
		if listed() != 1 {
			t.Fatal("not listed under its identity")
		}
		s.Must(s.DeleteIdentity(t.Context(), s.Access, keys.IdentityRef{ID: before.ID}))
		if d := s.Read(key.ID); d.Resolved.Identity != nil || listed() != 0 {
			t.Errorf("it still has %+v", d.Resolved.Identity)
		}
		after, err := s.CreateIdentity(t.Context(), s.Access, keys.IdentityDraft{ExternalID: "user_1"})
		s.Must(err)
		if d := s.Read(key.ID); d.Resolved.Identity != nil || listed() != 0 || after.ID == before.ID {
			t.Errorf("the next one got it: %+v", d.Resolved.Identity)
		}
		s.Must(s.UpdateKey(t.Context(), s.Access, key.ID, keys.KeyPatch{ExternalID: keys.To("user_1")}))
		if d := s.Read(key.ID); d.Resolved.Identity.ID != after.ID || listed() != 1 {
			t.Errorf("given to the next one: %+v", d.Resolved.Identity)
		}
		for _, list := range []string{before.ID, after.ID} {
			n, err := c.ZCard(t.Context(), "tg:l:"+s.APIID+":"+list).Result()
			if s.Must(err); n != map[string]int64{before.ID: 0, after.ID: 1}[list] {
				t.Errorf("%d entries in a list", n)
			}
		}
	})
}

// Changes of one identity made at the same time all happen, none takes back another's
// field, and what can't be is refused without a trace.
func TestIdentityChanges(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s, other := newWorld(t, c, "w"), store.Open(c, store.Options{Timeout: 10 * time.Second})
		made, err := s.CreateIdentity(t.Context(), s.Access, keys.IdentityDraft{ExternalID: "user_1"})
		s.Must(err)
		ref := keys.IdentityRef{ID: made.ID}
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				if _, err := s.UpdateIdentity(t.Context(), s.Access, ref, keys.IdentityPatch{Meta: keys.To([]byte(fmt.Sprintf(`{"n":%d}`, i)))}); err != nil {
					t.Error(err)
				}
			})
			all.Go(func() {
				if _, err := other.UpdateIdentity(t.Context(), s.Access, ref, keys.IdentityPatch{Limits: keys.To([]ratelimit.Limit{shared("x", int64(i+1))})}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		now, err := s.Identity(t.Context(), s.Access, ref)
		s.Must(err)
		if len(now.Meta) == 0 || len(now.Limits) != 1 {
			t.Errorf("lost: %+v", now)
		}
		bad := shared("x", 0)
		short := shared("x", 1)
		short.Duration = 999
		for want, limits := range map[keys.Kind][][]ratelimit.Limit{
			keys.KindInvalid:  {{bad}, {short}, {shared("", 1)}, {shared(strings.Repeat("n", 513), 1)}, make([]ratelimit.Limit, 51)},
			keys.KindConflict: {{shared("x", 1), shared("x", 2)}},
		} {
			for _, l := range limits {
				_, err := s.UpdateIdentity(t.Context(), s.Access, ref, keys.IdentityPatch{Limits: keys.To(l)})
				_, err2 := s.CreateIdentity(t.Context(), s.Access, keys.IdentityDraft{ExternalID: "user_2", Limits: l})
				if keystest.Kind(err) != want || keystest.Kind(err2) != want {
					t.Errorf("%+v: %v, %v", l, err, err2)
				}
			}
		}
		large := []byte(`{"a":"` + strings.Repeat("x", keys.MaxMeta) + `"}`)
		if _, err := s.UpdateIdentity(t.Context(), s.Access, ref, keys.IdentityPatch{Meta: keys.To(large)}); keystest.Kind(err) != keys.KindInvalid {
			t.Errorf("large meta: %v", err)
		}
		page, err := s.Identities(t.Context(), s.Access, catalog.ListOptions{Search: "USER"})
		s.Must(err)
		if len(page.Rows) != 1 || string(page.Rows[0].Meta) != string(now.Meta) || page.Rows[0].Limits[0] != now.Limits[0] {
			t.Errorf("%+v", page.Rows)
		}
	})
}
