package catalog_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"

	"github.com/fxamacker/cbor/v2"
	"github.com/redis/go-redis/v9"
)

// olderRole makes a role as releases do that tell names apart by case: its record, its
// place in the list, and its name as it is spelt.
func (s *world) olderRole(name string) string {
	s.TB.Helper()
	ws, id := s.Access.WorkspaceID, keys.NewID("role")
	stored, err := cbor.Marshal(&keys.Role{ID: id, Name: name, CreatedAt: time.Now().UnixMilli()})
	s.Must(err)
	_, err = s.Redis().TxPipelined(s.TB.Context(), func(p redis.Pipeliner) error {
		p.HSet(s.TB.Context(), "tg:x:{"+ws+"}role", name, id)
		p.ZAdd(s.TB.Context(), "tg:l:{"+ws+"}role", redis.Z{Member: id})
		p.Set(s.TB.Context(), "tg:d:{"+ws+"}role:"+id, "1"+string(stored), 0)
		return nil
	})
	s.Must(err)
	return id
}

// called is the id of the role that a name leads to; "" where none has it.
func (s *world) called(name string) string {
	s.TB.Helper()
	got, err := s.Role(s.TB.Context(), s.Access, keys.Ref{Name: name})
	if keystest.Kind(err) == keys.KindNotFound {
		return ""
	}
	s.Must(err)
	return got.ID
}

// roleNames are the names of the workspace's roles, sorted.
func (s *world) roleNames() []string {
	s.TB.Helper()
	page, err := s.Roles(s.TB.Context(), s.Access, catalog.ListOptions{Limit: 100})
	s.Must(err)
	var names []string
	for _, r := range page.Rows {
		names = append(names, r.Name)
	}
	slices.Sort(names)
	return names
}

func (s *world) wantNames(want ...string) {
	s.TB.Helper()
	if got := s.roleNames(); !slices.Equal(got, want) {
		s.TB.Errorf("the roles are %q, want %q", got, want)
	}
}

// taken fails unless a role of a name is refused as one that is there.
func (s *world) taken(name string) {
	s.TB.Helper()
	if _, err := s.CreateRole(s.TB.Context(), s.Access, keys.RoleDraft{Name: name}); keystest.Kind(err) != keys.KindConflict {
		s.TB.Errorf("a role %q is made: %v", name, err)
	}
}

// A role's name stays as it was spelt, is found however it is spelt, and is free again
// when the role is deleted.
func TestRoleNamesAreUniqueWithoutCase(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		for _, name := range []string{"Billing Admin", "Überprüfer"} {
			r, err := s.CreateRole(t.Context(), s.Access, keys.RoleDraft{Name: name})
			s.Must(err)
			for _, other := range []string{name, strings.ToUpper(name), strings.ToLower(name)} {
				if got := s.called(other); got != r.ID {
					t.Errorf("%q leads to %q", other, got)
				}
				s.taken(other)
			}
		}
		s.wantNames("Billing Admin", "Überprüfer")
		if got := s.called("billing"); got != "" {
			t.Errorf("a part of a name leads to %s", got)
		}
		s.Must(s.DeleteRole(t.Context(), s.Access, keys.Ref{Name: "BILLING admin"}))
		if got := s.called("Billing Admin"); got != "" {
			t.Errorf("a deleted role is found: %s", got)
		}
		_, err := s.CreateRole(t.Context(), s.Access, keys.RoleDraft{Name: "billing ADMIN"})
		s.Must(err)
		s.wantNames("billing ADMIN", "Überprüfer")
	})
}

// Whatever refers to a role by its name takes the one that is there, however it is spelt,
// and makes one of all spellings where there is none.
func TestRolesAreReferredToWithoutCase(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		r, err := s.CreateRole(t.Context(), s.Access, keys.RoleDraft{Name: "Reader"})
		s.Must(err)
		named := func(names ...string) []keys.Ref { return keys.Named(names, catalog.Create) }
		made := s.Create(keys.KeyDraft{Roles: named("READER", "Writer", "WRITER")})
		writer := s.called("writer")
		want := []string{r.ID, writer}
		slices.Sort(want)
		has := func(what string, want ...string) {
			t.Helper()
			if got := s.Read(made.ID).Key.Roles; !slices.Equal(got, want) {
				t.Errorf("%s: the roles are %q, want %q", what, got, want)
			}
		}
		has("created", want...)
		_, err = s.RemoveRoles(t.Context(), s.Access, made.ID, keys.Named([]string{"reader", "nobody"}, catalog.Skip))
		s.Must(err)
		has("removed", writer)
		_, err = s.SetRoles(t.Context(), s.Access, made.ID, named("rEADER"))
		s.Must(err)
		has("set", r.ID)
		_, err = s.AddRoles(t.Context(), s.Access, made.ID, keys.Named([]string{"wRITER"}, catalog.Refuse))
		s.Must(err)
		has("added", want...)
		s.Must(s.UpdateKey(t.Context(), s.Access, made.ID, keys.KeyPatch{Roles: keys.To(named("reader"))}))
		has("updated", r.ID)
		s.imported("one", named("wRITER", "Guest"))
		s.imported("two", named("GUEST"))
		s.wantNames("Guest", "Reader", "Writer")
	})
}

// imported imports a key with roles into the workspace's API.
func (s *world) imported(secret string, refs []keys.Ref) {
	s.TB.Helper()
	draft := keys.ImportDraft{KeyDraft: keys.KeyDraft{APIID: s.APIID, Roles: refs}, Digest: keys.NewSecret(secret).Digest()}
	_, err := s.ImportKeys(s.TB.Context(), s.Access, []keys.ImportDraft{draft})
	s.Must(err)
}

// Names that releases before told apart by case are there in every spelling: each role of
// them is found by its own, also after others were deleted, and no further one is made.
func TestRoleNamesOfOlderReleases(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		other := s.olderRole("Other")
		s.taken("OTHER") // before anything was looked up
		if got := s.called("other"); got != other {
			t.Errorf("other leads to %q, want %q", got, other)
		}
		lower, capital := s.olderRole("admin"), s.olderRole("Admin") // one of a gateway that still runs
		upper := s.olderRole("ADMIN")
		for _, spelling := range []struct{ name, id string }{
			{"admin", lower}, {"Admin", capital}, {"ADMIN", upper}, {"aDMIN", upper},
		} {
			if got := s.called(spelling.name); got != spelling.id {
				t.Errorf("%s leads to %q, want %q", spelling.name, got, spelling.id)
			}
			s.taken(spelling.name)
		}
		key := s.Create(keys.KeyDraft{Roles: keys.Named([]string{"admin", "Admin", "OTHER"}, catalog.Create)})
		if got := s.Read(key.ID).Key.Roles; len(got) != 3 || !slices.Contains(got, lower) || !slices.Contains(got, capital) || !slices.Contains(got, other) {
			t.Errorf("the key has %q", got)
		}
		s.Must(s.DeleteRole(t.Context(), s.Access, keys.Ref{Name: "aDMIN"}))
		for name, want := range map[string]string{"admin": lower, "Admin": capital, "ADMIN": capital} {
			if got := s.called(name); got != want {
				t.Errorf("then %s leads to %q, want %q", name, got, want)
			}
		}
		s.Must(s.DeleteRole(t.Context(), s.Access, keys.Ref{ID: capital}))
		s.Must(s.DeleteRole(t.Context(), s.Access, keys.Ref{Name: "ADMIN"}))
		if got := s.called("admin"); got != "" {
			t.Errorf("at last admin leads to %q", got)
		}
		_, err := s.CreateRole(t.Context(), s.Access, keys.RoleDraft{Name: "Admin"})
		s.Must(err)
		s.wantNames("Admin", "Other")
	})
}

// A gateway of a release before takes a role away and makes another one, so that there are
// as many as before: what was looked up then is no longer believed.
func TestOlderGatewaysChangeAsManyNames(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		s.olderRole("First")
		s.taken("FIRST")
		s.Must(s.DeleteRole(t.Context(), s.Access, keys.Ref{Name: "First"})) // writes what those releases write
		second := s.olderRole("Second")
		if got := s.called("SECOND"); got != second {
			t.Errorf("SECOND leads to %q", got)
		}
		s.taken("second")
		if got := s.called("first"); got != "" {
			t.Errorf("first leads to %q", got)
		}
	})
}

// A store has more names than are read or written at a time.
func TestManyRoleNamesOfOlderReleases(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		const n = 1201
		names := map[string]any{}
		for i := range n {
			names[fmt.Sprintf("Role %d", i)] = fmt.Sprintf("role_%d", i)
		}
		s.Must(c.HSet(t.Context(), "tg:x:{"+s.Access.WorkspaceID+"}role", names).Err())
		for i := range n {
			s.taken(fmt.Sprintf("rOLE %d", i))
		}
		if left := redistest.Names(t, c, "tg:xf:*:*"); len(left) != 0 {
			t.Errorf("there is left %q", left)
		}
	})
}

// Of many who make one name in several spellings at once one does, on every gateway, also
// where it was not looked up before.
func TestOneOfManyMakesARole(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s, other := newWorld(t, c, "w"), store.Open(c, store.Options{Timeout: 10 * time.Second})
		spellings := []string{"admin", "Admin", "ADMIN", "aDmIn"}
		var made, conflicts atomic.Int64
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				store := []*store.Store{s.Store, other}[i%2]
				_, err := store.CreateRole(t.Context(), s.Access, keys.RoleDraft{Name: spellings[i%4]})
				switch keystest.Kind(err) {
				case 255:
					made.Add(1)
				case keys.KindConflict:
					conflicts.Add(1)
				default:
					t.Error(err)
				}
				_, err = store.CreateKey(t.Context(), s.Access, keys.KeyDraft{APIID: s.APIID, Roles: keys.Named([]string{spellings[i%4], fmt.Sprint("own ", i)}, catalog.Create)})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if names := s.roleNames(); made.Load() > 1 || made.Load()+conflicts.Load() != 12 || len(names) != 13 {
			t.Errorf("%d made, %d conflicts, roles %q", made.Load(), conflicts.Load(), names)
		}
	})
}

// An import makes no second spelling of a name that is there, and says so; what a store had
// in several spellings keeps them.
func TestImportOfRoleNames(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		lower, capital, alone := s.olderRole("admin"), s.olderRole("Admin"), s.olderRole("Alone")
		lines := s.Export()
		s = &world{s.On(redistest.Empty(t))}
		s.Must(keystest.Transfer(s.Store).EnsureWorkspaceID(t.Context(), "w", lines[0].Workspace))
		there, err := s.CreateRole(t.Context(), s.Access, keys.RoleDraft{Name: "ALONE"})
		s.Must(err)
		for range 2 {
			done := s.ImportAll(lines)
			if len(done.LeftOut) != 1 || done.LeftOut[0].ID != "Alone" || !strings.Contains(done.LeftOut[0].Why, "case alone") {
				t.Errorf("left out: %+v", done.LeftOut)
			}
			for name, want := range map[string]string{"admin": lower, "Admin": capital, "ADMIN": capital, "alone": there.ID, "Alone": there.ID} {
				if got := s.called(name); got != want {
					t.Errorf("%s leads to %q, want %q", name, got, want)
				}
			}
		}
		s.Must(s.DeleteRole(t.Context(), s.Access, keys.Ref{ID: alone})) // its name is another's
		if got := s.called("alone"); got != there.ID {
			t.Errorf("alone leads to %q, want %q", got, there.ID)
		}
	})
}

// While Redis is full a role is found, and taken away, by another spelling also where the
// index of folded names has to be made first.
func TestRolesAreFoundWhileFull(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		id := s.olderRole("Admin")
		redistest.Configure(t, c, "maxmemory", "1")
		if got := s.called("ADMIN"); got != id {
			t.Errorf("ADMIN leads to %q, want %q", got, id)
		}
		s.Must(s.DeleteRole(t.Context(), s.Access, keys.Ref{Name: "aDMIN"}))
		if got := s.called("Admin"); got != "" {
			t.Errorf("the deleted role is found: %s", got)
		}
	})
}
