package catalog_test

import (
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

// A permission and a role are found by id and by name, whichever the text is; what
// has a name keeps it to itself, slugs without regard to case, and frees it at the end.
func TestNamesAreUniqueAndFreed(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		p, err := s.CreatePermission(t.Context(), s.Access, keys.PermissionDraft{Name: "Read", Slug: "docs.read", Description: "d"})
		s.Must(err)
		r, err := s.CreateRole(t.Context(), s.Access, keys.RoleDraft{Name: "admin", Permissions: keys.Named([]string{"DOCS.READ", "docs.write"}, catalog.Create)})
		s.Must(err)
		for _, text := range []string{p.ID, "docs.read", "Docs.Read"} {
			if got, err := s.Permission(t.Context(), s.Access, catalog.Called(text)); err != nil || *got != *p {
				t.Errorf("permission %s: %+v, %v", text, got, err)
			}
		}
		for _, text := range []string{r.ID, "admin"} {
			got, err := s.Role(t.Context(), s.Access, catalog.Called(text))
			if err != nil || got.ID != r.ID || len(got.Granted) != 2 || got.Granted[0].ID != p.ID || got.Granted[1].Slug != "docs.write" {
				t.Errorf("role %s: %+v, %v", text, got, err)
			}
		}
		_, err = s.CreatePermission(t.Context(), s.Access, keys.PermissionDraft{Name: "x", Slug: "DOCS.read"})
		_, err2 := s.CreateRole(t.Context(), s.Access, keys.RoleDraft{Name: "admin", Permissions: keys.Named([]string{"never.made"}, catalog.Create)})
		if keystest.Kind(err) != keys.KindConflict || keystest.Kind(err2) != keys.KindConflict {
			t.Errorf("taken: %v, %v", err, err2)
		}
		if _, err := s.Permission(t.Context(), s.Access, catalog.Called("never.made")); keystest.Kind(err) != keys.KindNotFound {
			t.Errorf("a role that was refused made a permission: %v", err)
		}
		s.Must(s.DeletePermission(t.Context(), s.Access, catalog.Called("docs.READ")))
		s.Must(s.DeleteRole(t.Context(), s.Access, catalog.Called("admin")))
		if keystest.Kind(s.DeletePermission(t.Context(), s.Access, keys.Ref{ID: p.ID})) != keys.KindNotFound || keystest.Kind(s.DeleteRole(t.Context(), s.Access, catalog.Called("admin"))) != keys.KindNotFound {
			t.Error("deleted twice")
		}
		again, err := s.CreatePermission(t.Context(), s.Access, keys.PermissionDraft{Name: "docs.read"})
		s.Must(err)
		if again.ID == p.ID || again.Slug != "docs.read" {
			t.Errorf("made anew: %+v", again)
		}
	})
}

// Of many who make the same name at once one does, whichever way they make it.
func TestOneOfManyMakesAName(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s, other := newWorld(t, c, "w"), store.Open(c, store.Options{Timeout: 10 * time.Second})
		var made, conflicts atomic.Int64
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				store := []*store.Store{s.Store, other}[i%2]
				_, err := store.CreateIdentity(t.Context(), s.Access, keys.IdentityDraft{ExternalID: "user_1"})
				_, err2 := store.CreatePermission(t.Context(), s.Access, keys.PermissionDraft{Name: []string{"Docs", "docs"}[i%2]})
				for _, err := range []error{err, err2} {
					switch keystest.Kind(err) {
					case 255:
						made.Add(1)
					case keys.KindConflict:
						conflicts.Add(1)
					default:
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if made.Load() != 2 || conflicts.Load() != 22 {
			t.Errorf("%d made, %d conflicts", made.Load(), conflicts.Load())
		}
		page, err := s.Permissions(t.Context(), s.Access, catalog.ListOptions{})
		s.Must(err)
		if len(page.Rows) != 1 || page.Total != 1 {
			t.Errorf("listed %d of %d", len(page.Rows), page.Total)
		}
	})
}

// Every page begins where the one before ended, by either cursor, each row comes
// once and in the order of ids, and a search finds all that there is to find however
// many rows lie between.
func TestPages(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		const n = 2300 // a search looks at 2000 rows at a time
		made := madeBulk(t, s, n)
		last := made[n-1]
		needle, err := s.CreateRole(t.Context(), s.Access, keys.RoleDraft{Name: "Ünique needle", Permissions: []keys.Ref{{ID: last.id}}})
		s.Must(err)
		for name, walk := range map[string]func(*catalog.ListOptions, catalog.Page[*keys.Permission]) bool{
			"inclusive": func(ask *catalog.ListOptions, p catalog.Page[*keys.Permission]) bool {
				ask.From = p.Next
				return p.Next != ""
			},
			"exclusive": func(ask *catalog.ListOptions, p catalog.Page[*keys.Permission]) bool {
				if len(p.Rows) > 0 {
					ask.After = p.Rows[len(p.Rows)-1].ID
				}
				return len(p.Rows) > 0
			},
		} {
			var seen []string
			for ask := (catalog.ListOptions{Limit: 700}); ; {
				page, err := s.Permissions(t.Context(), s.Access, ask)
				s.Must(err)
				if page.Total != n {
					t.Fatalf("%s: total %d of %d", name, page.Total, n)
				}
				for _, p := range page.Rows {
					seen = append(seen, p.ID)
				}
				if !walk(&ask, page) {
					break
				}
			}
			if !slices.Equal(seen, ids(made)) {
				t.Errorf("%s: %d rows, want the %d made, in order", name, len(seen), n)
			}
		}
		for _, search := range []string{last.slug, strings.ToUpper(last.slug), last.id} {
			if got := searched(t, s, search, 10); !slices.Equal(got, []string{last.id}) {
				t.Errorf("search %q: %v", search, got)
			}
		}
		if got := searched(t, s, "SLUG.", 100); !slices.Equal(got, ids(made)) {
			t.Errorf("a search for what all have found %d", len(got))
		}
		if got := searched(t, s, "nothing like it", 100); len(got) != 0 {
			t.Errorf("found %v", got)
		}
		page, err := s.Roles(t.Context(), s.Access, catalog.ListOptions{Search: "üNIQUE"})
		s.Must(err)
		granted, err := s.Granted(t.Context(), s.Access, page.Rows)
		s.Must(err)
		if len(granted) != 1 || granted[0].ID != needle.ID || granted[0].Granted[0].ID != last.id {
			t.Errorf("roles: %+v", granted)
		}
	})
}

type row struct{ id, slug string }

func ids(rows []row) []string {
	all := make([]string, len(rows))
	for i, r := range rows {
		all[i] = r.id
	}
	return all
}

// madeBulk puts n permissions into the store, behind its back, and returns them in the
// order of their ids.
func madeBulk(t *testing.T, s *world, n int) []row {
	t.Helper()
	ws := s.Access.WorkspaceID
	made := make([]row, n)
	for chunk := range slices.Chunk(made, 100) {
		_, err := s.Redis().Pipelined(t.Context(), func(p redis.Pipeliner) error {
			for i := range chunk {
				id := keys.NewID("perm")
				chunk[i] = row{id, "slug." + id[10:] + ".x"}
				stored, err := cbor.Marshal(&keys.Permission{ID: id, Name: "bulk", Slug: chunk[i].slug})
				p.Set(t.Context(), "tg:d:{"+ws+"}permission:"+id, "1"+string(stored), 0)
				p.ZAdd(t.Context(), "tg:l:{"+ws+"}permission", redis.Z{Member: id})
				s.Must(err)
			}
			return nil
		})
		s.Must(err)
	}
	slices.SortFunc(made, func(a, b row) int { return strings.Compare(a.id, b.id) })
	return made
}

// searched walks through all pages of a search and returns the ids found.
func searched(t *testing.T, s *world, text string, limit int) []string {
	t.Helper()
	var found []string
	for ask := (catalog.ListOptions{Limit: limit, Search: text}); ; {
		page, err := s.Permissions(t.Context(), s.Access, ask)
		s.Must(err)
		if len(page.Rows) > limit {
			t.Fatalf("%d rows on a page of %d", len(page.Rows), limit)
		}
		for _, p := range page.Rows {
			found = append(found, p.ID)
		}
		if ask.From = page.Next; ask.From == "" {
			return found
		}
	}
}

// What nobody may store is refused, naming the field, and nothing is made.
func TestDraftsAreChecked(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		long := strings.Repeat("x", 513)
		for _, d := range []keys.PermissionDraft{{}, {Name: long, Slug: "s"}, {Name: "n", Slug: long}, {Name: "n", Slug: "with space"},
			{Name: "n", Slug: "nul\x00"}, {Name: "n", Slug: "s", Description: long}, {Name: "n", Slug: "\xff"}} {
			if _, err := s.CreatePermission(t.Context(), s.Access, d); keystest.Kind(err) != keys.KindInvalid || keys.AsError(err).Field == "" {
				t.Errorf("%+v: %v", d, err)
			}
		}
		for _, d := range []keys.RoleDraft{{}, {Name: long}, {Name: "n", Description: long}, {Name: "n", Permissions: keys.Named([]string{"a b"}, catalog.Create)},
			{Name: "n", Permissions: keys.Named(make([]string, 1001), catalog.Create)}} {
			if _, err := s.CreateRole(t.Context(), s.Access, d); keystest.Kind(err) != keys.KindInvalid || keys.AsError(err).Field == "" {
				t.Errorf("%+v: %v", d, err)
			}
		}
		p, err := s.Permissions(t.Context(), s.Access, catalog.ListOptions{})
		s.Must(err)
		r, err := s.Roles(t.Context(), s.Access, catalog.ListOptions{})
		s.Must(err)
		if p.Total+r.Total != 0 {
			t.Errorf("%d permissions and %d roles were made", p.Total, r.Total)
		}
	})
}

// Rights are checked by the store, and another workspace's things are not there.
func TestRightsOverPermissionsRolesAndIdentities(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		mine, theirs := newWorld(t, c, "mine"), newWorld(t, c, "theirs")
		key := mine.Create(keys.KeyDraft{})
		p, err := mine.CreatePermission(t.Context(), mine.Access, keys.PermissionDraft{Name: "p"})
		mine.Must(err)
		r, err := mine.CreateRole(t.Context(), mine.Access, keys.RoleDraft{Name: "r"})
		mine.Must(err)
		i, err := mine.CreateIdentity(t.Context(), mine.Access, keys.IdentityDraft{ExternalID: "i"})
		mine.Must(err)
		ctx, s := t.Context(), mine.Store
		one := func(id string) []keys.Ref { return []keys.Ref{{ID: id}} }
		for name, try := range map[string]struct {
			needs []keys.Right
			do    func(a keys.Access) error
		}{
			"read permission":   {[]keys.Right{keys.ReadPermission}, func(a keys.Access) error { _, err := s.Permission(ctx, a, catalog.Called(p.ID)); return err }},
			"delete permission": {[]keys.Right{keys.DeletePermission}, func(a keys.Access) error { return s.DeletePermission(ctx, a, catalog.Called("p")) }},
			"read role":         {[]keys.Right{keys.ReadRole}, func(a keys.Access) error { _, err := s.Role(ctx, a, catalog.Called("r")); return err }},
			"delete role":       {[]keys.Right{keys.DeleteRole}, func(a keys.Access) error { return s.DeleteRole(ctx, a, catalog.Called(r.ID)) }},
			"set role permissions": {[]keys.Right{keys.AddPermissionToRole, keys.DropPermissionOfRole}, func(a keys.Access) error {
				_, err := s.SetRolePermissions(ctx, a, catalog.Called("r"), one(p.ID))
				return err
			}},
			"read identity": {[]keys.Right{keys.ReadIdentity}, func(a keys.Access) error { _, err := s.Identity(ctx, a, keys.IdentityRef{ExternalID: "i"}); return err }},
			"update identity": {[]keys.Right{keys.UpdateIdentity}, func(a keys.Access) error {
				_, err := s.UpdateIdentity(ctx, a, keys.IdentityRef{ID: i.ID}, keys.IdentityPatch{Meta: keys.To([]byte(`{}`))})
				return err
			}},
			"delete identity": {[]keys.Right{keys.DeleteIdentity}, func(a keys.Access) error { return s.DeleteIdentity(ctx, a, keys.IdentityRef{ID: i.ID}) }},
			"attach permission": {[]keys.Right{keys.UpdateKey, keys.AddPermissionToKey}, func(a keys.Access) error {
				_, err := s.AddPermissions(ctx, a, key.ID, one(p.ID))
				return err
			}},
			"attach role": {[]keys.Right{keys.UpdateKey, keys.AddRoleToKey}, func(a keys.Access) error { _, err := s.SetRoles(ctx, a, key.ID, one(r.ID)); return err }},
			"whoami":      {[]keys.Right{keys.ReadKey}, func(a keys.Access) error { _, err := s.KeyBySecret(ctx, a, key.Secret); return err }},
		} {
			if err := try.do(theirs.Access.As(try.needs...)); keystest.Kind(err) != keys.KindNotFound {
				t.Errorf("%s, from another workspace: %v", name, err)
			}
			for lacking := range try.needs {
				grants := []string{}
				for n, right := range try.needs {
					if n != lacking {
						grants = append(grants, strings.Replace(string(right), ".", ".*.", 1))
					}
				}
				caller := &keys.Caller{WorkspaceID: mine.Access.WorkspaceID, Grants: grants}
				if err := try.do(caller.As(try.needs...)); keystest.Kind(err) != keys.KindMissingPermission {
					t.Errorf("%s, without %s: %v", name, try.needs[lacking], err)
				}
			}
		}
		if d := mine.Read(key.ID); len(d.Key.Permissions)+len(d.Key.Roles) != 0 {
			t.Errorf("something was attached: %+v", d.Key)
		}
		if got, err := s.Role(ctx, mine.Access, catalog.Called("r")); err != nil || len(got.Granted) != 0 {
			t.Errorf("the role: %+v, %v", got, err)
		}
	})
}
