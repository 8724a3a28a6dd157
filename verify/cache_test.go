package verify

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/ratelimit"
)

// The records in memory take what Options say and no more, of plain keys as of those
// with much to remember, however many are verified.
func TestCacheKeepsItsBound(t *testing.T) {
	const bound = 2 << 20
	for _, kind := range []struct {
		name  string
		draft keys.KeyDraft
		n     int // twice as many as there is room for
		own   int // limits that each request brings
	}{
		{"plain", keys.KeyDraft{}, 4000, 0},
		{"with a limit", keys.KeyDraft{Remaining: new(int64(7)), Limits: []ratelimit.Limit{{Name: "a", Limit: 5, Duration: 60_000, AutoApply: true}}}, 3000, 0},
		{"rich", keys.KeyDraft{
			Name: "a name", Meta: []byte(`{"notes":"` + strings.Repeat("x", 1000) + `"}`), ExternalID: "somebody",
			Permissions: keys.Named([]string{"documents.read", "documents.write", "documents.share"}, catalog.Create),
			Limits:      []ratelimit.Limit{{Name: "a", Limit: 5, Duration: 60_000, AutoApply: true}, {Name: "b", Limit: 5, Duration: 60_000}},
		}, 1500, 0},
		{"asked for limits of their own", keys.KeyDraft{}, 4000, 6},
	} {
		t.Run(kind.name, func(t *testing.T) {
			store := store.Open(redistest.Start(t).Client(), store.Options{Timeout: 4e9})
			ws, err := store.Workspace(t.Context(), "cache")
			if err != nil {
				t.Fatal(err)
			}
			access := keys.Operator(ws).As()
			api, err := store.CreateAPI(t.Context(), access, "cache")
			if err != nil {
				t.Fatal(err)
			}
			kind.draft.APIID = api.ID
			secrets := make([]keys.Secret, kind.n)
			for i := range secrets {
				made, err := store.CreateKey(t.Context(), access, kind.draft)
				if err != nil {
					t.Fatal(err)
				}
				secrets[i] = made.Secret
			}
			v := New(store, Options{CacheBytes: bound, Timeout: 4e9})
			ask := func(secrets []keys.Secret) {
				for _, secret := range secrets {
					r := Request{Secret: secret, Cost: 1}
					for i := range kind.own {
						r.Limits = append(r.Limits, LimitRequest{Name: fmt.Sprintf("limit %d", i), Cost: 1, Own: true, Limit: 1000, Duration: 60_000})
					}
					if outcome, err := v.Verify(t.Context(), &r); err != nil || outcome.Code != Valid {
						t.Fatal(outcome, err)
					}
				}
			}
			ask(secrets[:10])
			before := live()
			ask(secrets)
			ask(secrets[kind.n/2:])
			grown := live() - before
			t.Logf("%d keys take %.2f of the bound", v.cache.EstimatedSize(), float64(grown)/bound)
			if grown > bound {
				t.Errorf("%d bytes are allowed, %d are taken", bound, grown)
			}
			if grown < bound/3 {
				t.Errorf("of %d bytes only %d are used", bound, grown)
			}
			runtime.KeepAlive(v)
		})
	}
}

// live is what the program uses. It collects twice: the first time pools keep what
// they have.
func live() int64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}
