package catalog_test

import (
	"strings"
	"testing"

	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"

	"github.com/redis/go-redis/v9"
)

// What was found for an identifier is kept, as long as the namespace is what it was.
func TestMatchesAreKeptByRevision(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		space := keys.NamespaceRef{Name: "space", Create: true}
		set := func(pattern string, limit int64) {
			t.Helper()
			_, err := s.SetOverride(t.Context(), s.Access, space, keys.Override{Identifier: pattern, Limit: limit, Duration: 1000})
			s.Must(err)
		}
		applied := func(identifier string) int64 {
			t.Helper()
			spaces, err := s.Namespaces(t.Context(), s.Access, []keys.NamespaceRef{space})
			s.Must(err)
			var o *keys.Override
			for range 2 { // the second time it is kept
				o, err = s.Override(t.Context(), s.Access.WorkspaceID, spaces[0], identifier)
				s.Must(err)
			}
			if o != nil {
				return o.Limit
			}
			return 0
		}
		set("user_*", 1)
		if one, none := applied("user_1"), applied("other"); one != 1 || none != 0 {
			t.Errorf("limits %d and %d", one, none)
		}
		set("user_*", 2)
		set("*", 3)
		set("user_2", 4)
		if one, two, none := applied("user_1"), applied("user_2"), applied("other"); one != 2 || two != 4 || none != 3 {
			t.Errorf("limits %d, %d and %d", one, two, none)
		}
	})
}

// An identifier that was looked at before costs nothing, however many patterns there are.
func TestMatchesAreFoundOnce(t *testing.T) {
	s := newWorld(t, redistest.Empty(t), "w")
	space := keys.NamespaceRef{Name: "space", Create: true}
	_, err := s.SetOverride(t.Context(), s.Access, space, keys.Override{Identifier: "*", Limit: 1, Duration: 1000})
	s.Must(err)
	spaces, err := s.Namespaces(t.Context(), s.Access, []keys.NamespaceRef{space})
	s.Must(err)
	identifier := strings.Repeat("a", 500)
	_, err = s.Override(t.Context(), s.Access.WorkspaceID, spaces[0], identifier)
	s.Must(err)
	if n := testing.AllocsPerRun(100, func() { _, _ = s.Override(t.Context(), s.Access.WorkspaceID, spaces[0], identifier) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
