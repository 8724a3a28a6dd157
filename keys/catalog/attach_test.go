package catalog_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"

	"github.com/redis/go-redis/v9"
)

func slugs(all []*keys.Permission) string {
	var out []string
	for _, p := range all {
		out = append(out, p.Slug)
	}
	return strings.Join(out, " ")
}

// What is added, taken and set is what the key has then, and each answer gives what
// was asked and all there is.
func TestAttach(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		key := s.Create(keys.KeyDraft{Permissions: keys.Named([]string{"b"}, catalog.Create), Roles: keys.Named([]string{"role"}, catalog.Create)})
		made := func(names ...string) []keys.Ref { return keys.Named(names, catalog.Create) }
		for _, step := range []struct {
			do         func(context.Context, keys.Access, string, []keys.Ref) (store.Attached[*keys.Permission], error)
			refs       []keys.Ref
			asked, all string
			kind       keys.Kind
		}{
			{s.AddPermissions, made("c", "a", "C"), "a c", "a b c", 255},
			{s.AddPermissions, keys.Named([]string{"b"}, catalog.Refuse), "b", "a b c", 255},
			{s.RemovePermissions, keys.Named([]string{"B", "a"}, catalog.Refuse), "a b", "c", 255},
			{s.RemovePermissions, keys.Named([]string{"a"}, catalog.Refuse), "a", "c", 255},
			{s.RemovePermissions, keys.Named([]string{"unknown"}, catalog.Skip), "", "c", 255},
			{s.RemovePermissions, keys.Named([]string{"c", "unknown"}, catalog.Refuse), "", "", keys.KindNotFound},
			{s.AddPermissions, []keys.Ref{{ID: "perm_unknown", Missing: catalog.Create}}, "", "", keys.KindNotFound},
			{s.SetPermissions, made("d", "b"), "b d", "b d", 255},
			{s.SetPermissions, made("e", "not one"), "", "", keys.KindInvalid},
			{s.SetPermissions, nil, "", "", 255},
		} {
			before := s.Read(key.ID)
			got, err := step.do(t.Context(), s.Access, key.ID, step.refs)
			if keystest.Kind(err) != step.kind || slugs(got.Asked) != step.asked || slugs(got.All) != step.all {
				t.Errorf("%v: %q of %q, %v; want %q of %q", step.refs, slugs(got.Asked), slugs(got.All), err, step.asked, step.all)
			}
			after := s.Read(key.ID)
			if err == nil && strings.Join(after.Resolved.Direct, " ") != step.all || err != nil && !slices.Equal(after.Key.Permissions, before.Key.Permissions) {
				t.Errorf("%v: the key has %q", step.refs, after.Resolved.Direct)
			}
		}
		if names := s.Read(key.ID).Resolved.RoleNames(); !slices.Equal(names, []string{"role"}) {
			t.Errorf("roles %v were none of its business", names)
		}
		roles, err := s.AddRoles(t.Context(), s.Access, key.ID, made("other"))
		s.Must(err)
		if len(roles.Asked) != 1 || len(roles.All) != 2 || roles.All[0].Name != "other" {
			t.Errorf("%+v", roles)
		}
		roles, err = s.RemoveRoles(t.Context(), s.Access, key.ID, made("role"))
		s.Must(err)
		if len(roles.All) != 1 || roles.All[0].Name != "other" {
			t.Errorf("%+v", roles)
		}
	})
}

// Those who add at the same time, through several gateways, all do.
func TestConcurrentAttachmentsAllHappen(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s, other := newWorld(t, c, "w"), store.Open(c, store.Options{Timeout: 10 * time.Second})
		key := s.Create(keys.KeyDraft{Remaining: keystest.Uses(0)})
		role, err := s.CreateRole(t.Context(), s.Access, keys.RoleDraft{Name: "r"})
		s.Must(err)
		var all sync.WaitGroup
		for i := range 12 {
			store := []*store.Store{s.Store, other}[i%2]
			all.Go(func() {
				if _, err := store.AddPermissions(t.Context(), s.Access, key.ID, keys.Named([]string{fmt.Sprint("p", i), "shared"}, catalog.Create)); err != nil {
					t.Error(err)
				}
			})
			all.Go(func() {
				if _, err := store.SetRolePermissions(t.Context(), s.Access, catalog.Called("r"), keys.Named([]string{fmt.Sprint("p", i), "of.role"}, catalog.Create)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := s.Read(key.ID).Resolved.Direct; len(got) != 13 {
			t.Errorf("the key has %v", got)
		}
		if got, err := s.Role(t.Context(), s.Access, catalog.Called(role.ID)); err != nil || len(got.Granted) != 2 {
			t.Errorf("the role has %+v, %v", got, err)
		}
	})
}

// A key is bounded, in what is asked at once and in what it has; what was deleted
// does not count and is dropped by the way.
func TestAttachmentsAreBounded(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		key := s.Create(keys.KeyDraft{})
		names := make([]string, 1001)
		for i := range names {
			names[i] = fmt.Sprintf("p%04d", i)
		}
		_, err := s.SetPermissions(t.Context(), s.Access, key.ID, keys.Named(names, catalog.Create))
		if keystest.Kind(err) != keys.KindInvalid {
			t.Errorf("1001 at once: %v", err)
		}
		_, err = s.SetPermissions(t.Context(), s.Access, key.ID, keys.Named(names[:1000], catalog.Create))
		s.Must(err)
		_, err = s.AddPermissions(t.Context(), s.Access, key.ID, keys.Named(names[1000:], catalog.Create))
		if keystest.Kind(err) != keys.KindInvalid {
			t.Errorf("one more: %v", err)
		}
		s.Must(s.DeletePermission(t.Context(), s.Access, catalog.Called("p0000")))
		_, err = s.AddPermissions(t.Context(), s.Access, key.ID, keys.Named(names[1000:], catalog.Create))
		s.Must(err)
		if d := s.Read(key.ID); len(d.Key.Permissions) != 1000 {
			t.Errorf("%d ids are kept", len(d.Key.Permissions))
		}
	})
}
