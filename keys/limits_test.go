package keys_test

import (
	"context"
	"encoding/binary"
	"strings"
	"sync"
	"testing"

	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/ratelimit"

	"github.com/redis/go-redis/v9"
)

// TestDurationsAreBounded stores limits of every kind with windows as long as each
// caller may have, and one millisecond longer.
func TestDurationsAreBounded(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		s := open(t, c, "w")
		made := s.create(keys.KeyDraft{})
		person, err := s.CreateIdentity(t.Context(), s.access, keys.IdentityDraft{ExternalID: "user_1"})
		s.must(err)
		for name, store := range map[string]func(keys.Access, int64) error{
			"a new key": func(a keys.Access, ms int64) error {
				_, err := s.CreateKey(t.Context(), a, keys.KeyDraft{APIID: s.api, Limits: limitOf(ms)})
				return err
			},
			"a key": func(a keys.Access, ms int64) error {
				return s.UpdateKey(t.Context(), a, made.ID, keys.KeyPatch{Limits: keys.To(limitOf(ms))})
			},
			"one limit of a key": func(a keys.Access, ms int64) error {
				return s.UpdateKey(t.Context(), a, made.ID, keys.KeyPatch{Limit: &limitOf(ms)[0]})
			},
			"an imported key": func(a keys.Access, ms int64) error {
				_, err := s.ImportKeys(t.Context(), a, []keys.ImportDraft{{KeyDraft: keys.KeyDraft{APIID: s.api, Limits: limitOf(ms)}, Secret: keys.NewSecret(keys.NewID("secret"))}})
				return err
			},
			"a new identity": func(a keys.Access, ms int64) error {
				_, err := s.CreateIdentity(t.Context(), a, keys.IdentityDraft{ExternalID: keys.NewID("user"), Limits: limitOf(ms)})
				return err
			},
			"an identity": func(a keys.Access, ms int64) error {
				_, err := s.UpdateIdentity(t.Context(), a, keys.IdentityRef{ID: person.ID}, keys.IdentityPatch{Limits: keys.To(limitOf(ms))})
				return err
			},
			"an override": func(a keys.Access, ms int64) error {
				_, err := s.SetOverride(t.Context(), a, keys.NamespaceRef{Name: "n", Create: true}, keys.Override{Identifier: "x", Limit: 1, Duration: ms})
				return err
			},
		} {
			for _, long := range []bool{false, true} {
				a, longest := s.access, int64(keys.MaxDuration)
				if a.LongDurations = long; long {
					longest = keys.MaxLongDuration
				}
				for ms, want := range map[int64]keys.Kind{ratelimit.MinDuration - 1: keys.KindInvalid, ratelimit.MinDuration: 255, longest: 255, longest + 1: keys.KindInvalid} {
					err := store(a, ms)
					if kind(err) != want || err != nil && !strings.HasSuffix(keys.AsError(err).Field, "duration") {
						t.Errorf("%s, %d ms, long %v: %v", name, ms, long, err)
					}
					s.must(store(a, 60_000)) // nothing longer is stored for the next one
				}
			}
		}
	})
}

func limitOf(ms int64) []ratelimit.Limit {
	return []ratelimit.Limit{{Name: "limit", Limit: 5, Duration: ms, AutoApply: true}}
}

// TestStoredDurationsStay gives a key, an identity and an override the longest windows
// that older versions stored. Whoever may not ask for them can change everything else,
// and store them again as they are.
func TestStoredDurationsStay(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := open(t, c, "w")
		long := s.access
		long.LongDurations = true
		made, err := s.CreateKey(t.Context(), long, keys.KeyDraft{APIID: s.api, ExternalID: "user_1", Limits: limitOf(keys.MaxLongDuration)})
		s.must(err)
		person := keys.IdentityRef{ExternalID: "user_1"}
		_, err = s.UpdateIdentity(t.Context(), long, person, keys.IdentityPatch{Limits: keys.To(limitOf(keys.MaxLongDuration))})
		s.must(err)
		space, rule := keys.NamespaceRef{Name: "n", Create: true}, keys.Override{Identifier: "x", Limit: 1, Duration: keys.MaxLongDuration}
		_, err = s.SetOverride(t.Context(), long, space, rule)
		s.must(err)
		lengthen(t, c)
		s = &shop{Store: store.Open(c, store.Options{}), t: t, access: s.access, api: s.api}

		old := limitOf(ratelimit.MaxDuration)
		s.must(s.UpdateKey(t.Context(), s.access, made.ID, keys.KeyPatch{Name: keys.To("other")}))
		s.must(s.UpdateKey(t.Context(), s.access, made.ID, keys.KeyPatch{Limits: keys.To(old)}))
		if k := s.read(made.ID).Key; k.Name != "other" || k.Limits[0].Duration != ratelimit.MaxDuration {
			t.Errorf("the key is %+v", k)
		}
		_, err = s.UpdateIdentity(t.Context(), s.access, person, keys.IdentityPatch{Limits: keys.To(old), Meta: keys.To([]byte(`{}`))})
		s.must(err)
		rule.Duration, rule.Limit = ratelimit.MaxDuration, 2
		_, err = s.SetOverride(t.Context(), s.access, space, rule)
		s.must(err)
		if o, err := s.GetOverride(t.Context(), s.access, space, "x", false); err != nil || o.Duration != ratelimit.MaxDuration || o.Limit != 2 {
			t.Errorf("the override is %+v, %v", o, err)
		}
		other := limitOf(ratelimit.MaxDuration)
		other[0].Name = "other"
		if err := s.UpdateKey(t.Context(), long, made.ID, keys.KeyPatch{Limit: &other[0]}); kind(err) != keys.KindInvalid {
			t.Errorf("another limit as long: %v", err)
		}
	})
}

// lengthen makes windows of MaxLongDuration in all records as long as older versions
// could store them.
func lengthen(t *testing.T, c redis.UniversalClient) {
	t.Helper()
	was := string(binary.BigEndian.AppendUint64(nil, keys.MaxLongDuration))
	is := string(binary.BigEndian.AppendUint64(nil, ratelimit.MaxDuration))
	var mu sync.Mutex
	changed := 0
	each := func(ctx context.Context, node redis.Cmdable) error {
		for _, pattern := range []string{"tg:k:*", "tg:d:*"} {
			for _, name := range node.Keys(ctx, pattern).Val() {
				if value := node.Get(ctx, name).Val(); strings.Contains(value, was) {
					node.Set(ctx, name, strings.ReplaceAll(value, was, is), 0)
					mu.Lock()
					changed++
					mu.Unlock()
				}
			}
		}
		return nil
	}
	if cluster, ok := c.(*redis.ClusterClient); ok {
		_ = cluster.ForEachMaster(t.Context(), func(ctx context.Context, node *redis.Client) error { return each(ctx, node) })
	} else {
		_ = each(t.Context(), c)
	}
	if changed != 3 {
		t.Fatalf("%d records have the windows, want 3", changed)
	}
}
