package unkeyv1go

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"testing"

	"github.com/unkeyed/unkey-go/models/components"
	"github.com/unkeyed/unkey-go/models/operations"
)

// fresh is a name that nothing has yet.
func fresh(what string) string { return what + "." + rand.Text()[:8] }

// want fails unless the call succeeded.
func want[T any](t *testing.T) func(T, error) T {
	return func(res T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
}

// wantEmpty checks that the last answer was {}.
func (c *client) wantEmpty() {
	c.t.Helper()
	if len(c.body()) != 0 {
		c.t.Errorf("want {}, got %s", c.last.body)
	}
}

// wantNames checks the names of the last answer's bare array.
func (c *client) wantNames(names ...string) {
	c.t.Helper()
	var all []struct{ ID, Name string }
	if err := json.Unmarshal(c.last.body, &all); err != nil || len(all) != len(names) {
		c.t.Fatalf("want %q, got %s", names, c.last.body)
	}
	for i, one := range all {
		if one.Name != names[i] || one.ID == "" {
			c.t.Errorf("want %q, got %s", names, c.last.body)
		}
	}
}

func TestAPermissionFromItsMakingToItsEnd(t *testing.T) {
	c, ctx, name := newClient(t), context.Background(), fresh("docs.read")
	id := want[*operations.CreatePermissionResponse](t)(c.Permissions.CreatePermission(ctx,
		operations.CreatePermissionRequestBody{Name: name, Description: p("may read")})).Object.PermissionID
	shown := want[*operations.GetPermissionResponse](t)(c.Permissions.GetPermission(ctx, operations.GetPermissionRequest{PermissionID: id})).Object
	if shown.ID != id || shown.Name != name || *shown.Description != "may read" || c.body()["slug"] != name {
		t.Errorf("got %s", c.last.body)
	}
	found := false
	for _, one := range want[*operations.ListPermissionsResponse](t)(c.Permissions.ListPermissions(ctx)).ResponseBodies {
		found = found || one.ID == id && one.Name == name
	}
	if !found {
		t.Errorf("not listed: %s", c.last.body)
	}
	c.Permissions.CreatePermission(ctx, operations.CreatePermissionRequestBody{Name: name})
	c.wantError(409, "CONFLICT", name)
	want[*operations.DeletePermissionResponse](t)(c.Permissions.DeletePermission(ctx, operations.DeletePermissionRequestBody{PermissionID: id}))
	c.wantEmpty()
	c.Permissions.GetPermission(ctx, operations.GetPermissionRequest{PermissionID: id})
	c.wantError(404, "NOT_FOUND", id)
}

func TestARoleFromItsMakingToItsEnd(t *testing.T) {
	c, ctx, name := newClient(t), context.Background(), fresh("admin")
	id := want[*operations.CreateRoleResponse](t)(c.Permissions.CreateRole(ctx,
		operations.CreateRoleRequestBody{Name: name, Description: p("may do it")})).Object.RoleID
	shown := want[*operations.GetRoleResponse](t)(c.Permissions.GetRole(ctx, operations.GetRoleRequest{RoleID: id})).Object
	if shown.ID != id || shown.Name != name || *shown.Description != "may do it" {
		t.Errorf("got %s", c.last.body)
	}
	found := false
	for _, one := range want[*operations.ListRolesResponse](t)(c.Permissions.ListRoles(ctx)).ResponseBodies {
		found = found || one.ID == id && one.Name == name
	}
	if !found {
		t.Errorf("not listed: %s", c.last.body)
	}
	c.Permissions.CreateRole(ctx, operations.CreateRoleRequestBody{Name: name})
	c.wantError(409, "CONFLICT", name)
	want[*operations.DeleteRoleResponse](t)(c.Permissions.DeleteRole(ctx, operations.DeleteRoleRequestBody{RoleID: id}))
	c.wantEmpty()
	c.Permissions.GetRole(ctx, operations.GetRoleRequest{RoleID: id})
	c.wantError(404, "NOT_FOUND", id)
}

func TestPermissionsOfAKey(t *testing.T) {
	c, ctx := newClient(t), context.Background()
	id, key := c.createKey(operations.CreateKeyRequestBody{})
	read, write := fresh("read"), fresh("write")
	asks := func(permission string) components.V1KeysVerifyKeyRequest {
		q := components.CreatePermissionQueryStr(permission)
		return components.V1KeysVerifyKeyRequest{Key: key, Authorization: &components.Authorization{Permissions: &q}}
	}
	add := func(name string, create bool) error {
		_, err := c.Keys.AddPermissions(ctx, operations.AddPermissionsRequestBody{KeyID: id, Permissions: []operations.AddPermissionsPermissions{{Name: &name, Create: &create}}})
		return err
	}
	if add(read, false) == nil {
		t.Fatal("a permission that is not there was added")
	}
	c.wantError(404, "NOT_FOUND", read)
	for _, name := range []string{read, write} {
		if err := add(name, true); err != nil {
			t.Fatal(err)
		}
		c.wantNames(name)
		c.wantCode(components.CodeValid, asks(name))
	}
	want[*operations.RemovePermissionsResponse](t)(c.Keys.RemovePermissions(ctx,
		operations.RemovePermissionsRequestBody{KeyID: id, Permissions: []operations.RemovePermissionsPermissions{{Name: &read}}}))
	c.wantEmpty()
	c.wantCode(components.CodeInsufficientPermissions, asks(read))
	want[*operations.SetPermissionsResponse](t)(c.Keys.SetPermissions(ctx,
		operations.SetPermissionsRequestBody{KeyID: id, Permissions: []operations.SetPermissionsPermissions{{Name: &read}}}))
	c.wantNames(read)
	c.wantCode(components.CodeValid, asks(read))
	c.wantCode(components.CodeInsufficientPermissions, asks(write))
}

func TestRolesOfAKey(t *testing.T) {
	c, ctx := newClient(t), context.Background()
	id, key := c.createKey(operations.CreateKeyRequestBody{})
	one, two := fresh("one"), fresh("two")
	has := func(roles ...string) {
		t.Helper()
		c.wantCode(components.CodeValid, components.V1KeysVerifyKeyRequest{Key: key})
		fields(t, c.body(), map[string]any{"roles": append([]string{}, roles...)})
	}
	c.Keys.AddRoles(ctx, operations.AddRolesRequestBody{KeyID: id, Roles: []operations.AddRolesRoles{{Name: &one}}})
	c.wantError(404, "NOT_FOUND", one)
	want[*operations.AddRolesResponse](t)(c.Keys.AddRoles(ctx, operations.AddRolesRequestBody{KeyID: id, Roles: []operations.AddRolesRoles{
		{Name: &one, Create: p(true)}, {Name: &two, Create: p(true)}}}))
	c.wantNames(one, two)
	has(one, two)
	want[*operations.RemoveRolesResponse](t)(c.Keys.RemoveRoles(ctx, operations.RemoveRolesRequestBody{KeyID: id, Roles: []operations.RemoveRolesRoles{{Name: &one}}}))
	c.wantEmpty()
	has(two)
	want[*operations.SetRolesResponse](t)(c.Keys.SetRoles(ctx, operations.SetRolesRequestBody{KeyID: id, Roles: []operations.SetRolesRoles{{Name: &one}}}))
	c.wantNames(one)
	has(one)
}

func TestWhoami(t *testing.T) {
	c, ctx, user := newClient(t), context.Background(), fresh("user")
	id, key := c.createKey(operations.CreateKeyRequestBody{Name: p("n"), Remaining: p(int64(3)), ExternalID: &user, Meta: map[string]any{"a": 1}, Environment: p("test")})
	got := want[*operations.WhoamiResponse](t)(c.Keys.Whoami(ctx, operations.WhoamiRequestBody{Key: key})).Object
	if got.ID != id || *got.Name != "n" || *got.Remaining != 3 || got.Identity.ExternalID != user || !got.Enabled || *got.Environment != "test" || got.CreatedAt == 0 {
		t.Errorf("got %s", c.last.body)
	}
	c.wantCode(components.CodeValid, components.V1KeysVerifyKeyRequest{Key: key})
	fields(t, c.body(), map[string]any{"remaining": 2})
	c.Keys.Whoami(ctx, operations.WhoamiRequestBody{Key: "nobody"})
	c.wantError(404, "NOT_FOUND", "")
}

func TestAnIdentityFromItsMakingToItsEnd(t *testing.T) {
	c, ctx, user, duration := newClient(t), context.Background(), fresh("user"), quietWindow()
	id := want[*operations.CreateIdentityResponse](t)(c.Identities.CreateIdentity(ctx, operations.CreateIdentityRequestBody{ExternalID: user,
		Meta: map[string]any{"plan": "pro"}, Ratelimits: []operations.Ratelimits{{Name: "requests", Limit: 2, Duration: duration}}})).Object.IdentityID
	c.Identities.CreateIdentity(ctx, operations.CreateIdentityRequestBody{ExternalID: user})
	c.wantError(409, "CONFLICT", user)
	for _, request := range []operations.GetIdentityRequest{{IdentityID: &id}, {ExternalID: &user}} {
		got := want[*operations.GetIdentityResponse](t)(c.Identities.GetIdentity(ctx, request)).Object
		if got.ID != id || got.ExternalID != user || got.Meta["plan"] != "pro" || len(got.Ratelimits) != 1 || got.Ratelimits[0].Limit != 2 {
			t.Errorf("got %s", c.last.body)
		}
	}
	if !c.listed(id) {
		t.Error("not listed")
	}
	_, first := c.createKey(operations.CreateKeyRequestBody{ExternalID: &user})
	_, second := c.createKey(operations.CreateKeyRequestBody{ExternalID: &user})
	shared := func(key string) components.V1KeysVerifyKeyRequest {
		return components.V1KeysVerifyKeyRequest{Key: key, Ratelimits: []components.Ratelimits{{Name: "requests"}}}
	}
	c.wantCode(components.CodeValid, shared(first))
	c.wantCode(components.CodeValid, shared(second))
	c.wantCode(components.CodeRateLimited, shared(first))
	changed := want[*operations.UpdateIdentityResponse](t)(c.Identities.UpdateIdentity(ctx, operations.UpdateIdentityRequestBody{IdentityID: &id,
		Ratelimits: []operations.UpdateIdentityRatelimits{{Name: "requests", Limit: 3, Duration: duration}}})).Object
	if changed.ID != id || changed.Meta["plan"] != "pro" || changed.Ratelimits[0].Limit != 3 {
		t.Errorf("got %s", c.last.body)
	}
	c.wantCode(components.CodeValid, shared(first))
	want[*operations.DeleteIdentityResponse](t)(c.Identities.DeleteIdentity(ctx, operations.DeleteIdentityRequestBody{IdentityID: id}))
	c.wantEmpty()
	c.Identities.GetIdentity(ctx, operations.GetIdentityRequest{IdentityID: &id})
	c.wantError(404, "NOT_FOUND", id)
	c.wantCode(components.CodeValid, components.V1KeysVerifyKeyRequest{Key: first})
	fields(t, c.body(), map[string]any{"identity": nil, "ownerId": nil})
}

// listed reports whether an identity is in the list, a page at a time.
func (c *client) listed(id string) bool {
	c.t.Helper()
	for request := (operations.ListIdentitiesRequest{Limit: p(int64(2))}); ; {
		page := want[*operations.ListIdentitiesResponse](c.t)(c.Identities.ListIdentities(context.Background(), request)).Object
		for _, one := range page.Identities {
			if one.ID == id {
				return page.Total > 0
			}
		}
		if len(page.Identities) == 0 {
			return false
		}
		request.Cursor = page.Cursor
	}
}
