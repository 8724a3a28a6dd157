package store_test

import (
	"strings"
	"testing"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/ratelimit"

	"github.com/redis/go-redis/v9"
)

// TestDurationsAreBounded stores limits of every kind with windows as long as each
// caller may have, and one millisecond longer.
func TestDurationsAreBounded(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		made := s.Create(keys.KeyDraft{})
		person, err := s.CreateIdentity(t.Context(), s.Access, keys.IdentityDraft{ExternalID: "user_1"})
		s.Must(err)
		for name, store := range map[string]func(keys.Access, int64) error{
			"a new key": func(a keys.Access, ms int64) error {
				_, err := s.CreateKey(t.Context(), a, keys.KeyDraft{APIID: s.APIID, Limits: keystest.Limits(ms)})
				return err
			},
			"a key": func(a keys.Access, ms int64) error {
				return s.UpdateKey(t.Context(), a, made.ID, keys.KeyPatch{Limits: keys.To(keystest.Limits(ms))})
			},
			"one limit of a key": func(a keys.Access, ms int64) error {
				return s.UpdateKey(t.Context(), a, made.ID, keys.KeyPatch{Limit: &keystest.Limits(ms)[0]})
			},
			"an imported key": func(a keys.Access, ms int64) error {
				_, err := s.ImportKeys(t.Context(), a, []keys.ImportDraft{{KeyDraft: keys.KeyDraft{APIID: s.APIID, Limits: keystest.Limits(ms)}, Secret: keys.NewSecret(keys.NewID("secret"))}})
				return err
			},
			"a new identity": func(a keys.Access, ms int64) error {
				_, err := s.CreateIdentity(t.Context(), a, keys.IdentityDraft{ExternalID: keys.NewID("user"), Limits: keystest.Limits(ms)})
				return err
			},
			"an identity": func(a keys.Access, ms int64) error {
				_, err := s.UpdateIdentity(t.Context(), a, keys.IdentityRef{ID: person.ID}, keys.IdentityPatch{Limits: keys.To(keystest.Limits(ms))})
				return err
			},
			"an override": func(a keys.Access, ms int64) error {
				_, err := s.SetOverride(t.Context(), a, keys.NamespaceRef{Name: "n", Create: true}, keys.Override{Identifier: "x", Limit: 1, Duration: ms})
				return err
			},
		} {
			for _, long := range []bool{false, true} {
				a, longest := s.Access, int64(keys.MaxDuration)
				if a.LongDurations = long; long {
					longest = keys.MaxLongDuration
				}
				for ms, want := range map[int64]keys.Kind{ratelimit.MinDuration - 1: keys.KindInvalid, ratelimit.MinDuration: 255, longest: 255, longest + 1: keys.KindInvalid} {
					err := store(a, ms)
					if keystest.Kind(err) != want || err != nil && !strings.HasSuffix(keys.AsError(err).Field, "duration") {
						t.Errorf("%s, %d ms, long %v: %v", name, ms, long, err)
					}
					s.Must(store(a, 60_000)) // nothing longer is stored for the next one
				}
			}
		}
	})
}

// TestStoredDurationsStay gives a key, an identity and an override the longest windows
// that older versions stored. Whoever may not ask for them can change everything else,
// and store them again as they are.
func TestStoredDurationsStay(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		long := s.Access
		long.LongDurations = true
		made, err := s.CreateKey(t.Context(), long, keys.KeyDraft{APIID: s.APIID, ExternalID: "user_1", Limits: keystest.Limits(keys.MaxLongDuration)})
		s.Must(err)
		person := keys.IdentityRef{ExternalID: "user_1"}
		_, err = s.UpdateIdentity(t.Context(), long, person, keys.IdentityPatch{Limits: keys.To(keystest.Limits(keys.MaxLongDuration))})
		s.Must(err)
		space, rule := keys.NamespaceRef{Name: "n", Create: true}, keys.Override{Identifier: "x", Limit: 1, Duration: keys.MaxLongDuration}
		_, err = s.SetOverride(t.Context(), long, space, rule)
		s.Must(err)
		keystest.LengthenWindows(t, c)
		s = &world{World: s.OnStore(store.Open(c, store.Options{}))}

		old := keystest.Limits(ratelimit.MaxDuration)
		s.Must(s.UpdateKey(t.Context(), s.Access, made.ID, keys.KeyPatch{Name: keys.To("other")}))
		s.Must(s.UpdateKey(t.Context(), s.Access, made.ID, keys.KeyPatch{Limits: keys.To(old)}))
		if k := s.Read(made.ID).Key; k.Name != "other" || k.Limits[0].Duration != ratelimit.MaxDuration {
			t.Errorf("the key is %+v", k)
		}
		_, err = s.UpdateIdentity(t.Context(), s.Access, person, keys.IdentityPatch{Limits: keys.To(old), Meta: keys.To([]byte(`{}`))})
		s.Must(err)
		rule.Duration, rule.Limit = ratelimit.MaxDuration, 2
		_, err = s.SetOverride(t.Context(), s.Access, space, rule)
		s.Must(err)
		if o, err := s.GetOverride(t.Context(), s.Access, space, "x", false); err != nil || o.Duration != ratelimit.MaxDuration || o.Limit != 2 {
			t.Errorf("the override is %+v, %v", o, err)
		}
		other := keystest.Limits(ratelimit.MaxDuration)
		other[0].Name = "other"
		if err := s.UpdateKey(t.Context(), long, made.ID, keys.KeyPatch{Limit: &other[0]}); keystest.Kind(err) != keys.KindInvalid {
			t.Errorf("another limit as long: %v", err)
		}
	})
}
