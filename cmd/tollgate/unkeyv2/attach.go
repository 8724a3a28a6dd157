package unkeyv2

import (
	"context"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/store"
)

// slugsRequest names at least one permission, by slug.
type slugsRequest struct {
	keyID
	Permissions []string `json:"permissions" check:"required,minItems=1,maxItems=1000" items:"minLen=1,maxLen=128" itemsPattern:"^[a-zA-Z0-9_:\\-\\.\\*]+$"`
}

type setSlugsRequest struct {
	keyID
	Permissions []string `json:"permissions" check:"required,maxItems=1000" items:"minLen=1,maxLen=128" itemsPattern:"^[a-zA-Z0-9_:\\-\\.\\*]+$"`
}

// rolesRequest names at least one role, by name.
type rolesRequest struct {
	keyID
	Roles []string `json:"roles" check:"required,minItems=1,maxItems=100" items:"minLen=1,maxLen=128"`
}

type setRolesRequest struct {
	keyID
	Roles []string `json:"roles" check:"required,maxItems=100" items:"minLen=1,maxLen=128"`
}

// attachment is how the store changes what a key has.
type attachment[T any] func(ctx context.Context, a keys.Access, keyID string, refs []keys.Ref) (store.Attached[T], error)

// permissions changes a key's permissions, and answers with all that it has itself.
func (a *API) permissions(c *web.Call, id keyID, do attachment[*keys.Permission], refs []keys.Ref) ([]permissionResponse, error) {
	now, err := do(c.Context(), access(c), id.KeyID, refs)
	return mapped(now.All, permissionOf), err
}

func (a *API) addPermissions(c *web.Call, in *slugsRequest) ([]permissionResponse, error) {
	return a.permissions(c, in.keyID, a.store.AddPermissions, keys.Named(in.Permissions, catalog.Create))
}

func (a *API) setPermissions(c *web.Call, in *setSlugsRequest) ([]permissionResponse, error) {
	return a.permissions(c, in.keyID, a.store.SetPermissions, keys.Named(in.Permissions, catalog.Create))
}

func (a *API) removePermissions(c *web.Call, in *slugsRequest) ([]permissionResponse, error) {
	return a.permissions(c, in.keyID, a.store.RemovePermissions, keys.Named(in.Permissions, catalog.Refuse))
}

// roles changes a key's roles, and answers with all that it has then.
func (a *API) roles(c *web.Call, id keyID, do attachment[*keys.Role], names []string) ([]roleResponse, error) {
	now, err := do(c.Context(), access(c), id.KeyID, keys.Named(names, catalog.Refuse))
	if err != nil {
		return nil, err
	}
	all, err := a.store.Granted(c.Context(), access(c), now.All)
	return mapped(all, roleOf), err
}

func (a *API) addRoles(c *web.Call, in *rolesRequest) ([]roleResponse, error) {
	return a.roles(c, in.keyID, a.store.AddRoles, in.Roles)
}

func (a *API) setRoles(c *web.Call, in *setRolesRequest) ([]roleResponse, error) {
	return a.roles(c, in.keyID, a.store.SetRoles, in.Roles)
}

func (a *API) removeRoles(c *web.Call, in *rolesRequest) ([]roleResponse, error) {
	return a.roles(c, in.keyID, a.store.RemoveRoles, in.Roles)
}
