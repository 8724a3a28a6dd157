package unkeyv1

import (
	"encoding/json"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/catalog"
)

// attachRoutes are those about what a key has, and who it is. Of the rights to set,
// a call needs those alone that it makes use of.
func (a *API) attachRoutes() []web.Route {
	d := a.dialect
	return []web.Route{
		post("/v1/keys.whoami", "whoami", rights(keys.ReadKey), web.JSON(d, a.whoami)),
		also(post("/v1/keys.addPermissions", "addPermissions", rights(keys.AddPermissionToKey), web.JSON(d, a.addPermissions)), keys.CreatePermission),
		post("/v1/keys.removePermissions", "removePermissions", rights(keys.DropPermissionOfKey), web.JSON(d, a.removePermissions)),
		also(post("/v1/keys.setPermissions", "setPermissions", rights(keys.AddPermissionToKey, keys.DropPermissionOfKey), web.JSON(d, a.setPermissions)), keys.CreatePermission),
		also(post("/v1/keys.addRoles", "addRoles", rights(keys.AddRoleToKey), web.JSON(d, a.addRoles)), keys.CreateRole),
		post("/v1/keys.removeRoles", "removeRoles", rights(keys.DropRoleOfKey), web.JSON(d, a.removeRoles)),
		also(post("/v1/keys.setRoles", "setRoles", rights(keys.AddRoleToKey, keys.DropRoleOfKey), web.JSON(d, a.setRoles)), keys.CreateRole),
	}
}

type whoamiRequest struct {
	Key string `json:"key" check:"required,minLen=1"`
}

type whoamiResponse struct {
	ID          string          `json:"id"`
	Name        string          `json:"name,omitempty"`
	Remaining   *int64          `json:"remaining,omitempty"`
	Identity    *whoseResponse  `json:"identity,omitempty"`
	Meta        json.RawMessage `json:"meta,omitempty"`
	CreatedAt   int64           `json:"createdAt"`
	Enabled     bool            `json:"enabled"`
	Environment string          `json:"environment,omitempty"`
}

type whoseResponse struct {
	ID         string `json:"id"`
	ExternalID string `json:"externalId"`
}

func (a *API) whoami(c *web.Call, in *whoamiRequest) (whoamiResponse, error) {
	d, err := a.store.KeyBySecret(c.Context(), access(c), keys.NewSecret(in.Key))
	if err != nil {
		return whoamiResponse{}, err
	}
	k := d.Key
	out := whoamiResponse{ID: k.ID, Name: k.Name, Meta: k.Meta, CreatedAt: k.CreatedAt, Enabled: !k.Disabled, Environment: k.Environment}
	if k.HasCredits {
		out.Remaining = &d.State.Balance
	}
	if i := d.Resolved.Identity; i != nil {
		out.Identity = &whoseResponse{i.ID, i.ExternalID}
	}
	return out, nil
}

type addPermissionsRequest struct {
	KeyID       string       `json:"keyId" check:"required,minLen=1"`
	Permissions []refRequest `json:"permissions" check:"required,minItems=1" bound:"maxItems=MaxKeyRefs"`
}

type setPermissionsRequest struct {
	KeyID       string        `json:"keyId" check:"required,minLen=1"`
	Permissions []slugRequest `json:"permissions" check:"required,minItems=1" bound:"maxItems=MaxKeyRefs"`
}

type rolesRequest struct {
	KeyID string       `json:"keyId" check:"required,minLen=1"`
	Roles []refRequest `json:"roles" check:"required,minItems=1" bound:"maxItems=MaxKeyRefs"`
}

// slugRequest names a permission, by its slug also where that is called so.
type slugRequest struct {
	refRequest
	Slug *string `json:"slug" check:"minLen=1"`
}

func slugRefs(items []slugRequest) ([]keys.Ref, error) {
	plain := make([]refRequest, len(items))
	for i, item := range items {
		plain[i] = item.refRequest
		if item.Name == nil {
			plain[i].Name = item.Slug
		}
	}
	return refs("permissions", plain)
}

// skipping makes what is not there be left out, rather than refused: what does not
// exist is attached to nothing.
func skipping(all []keys.Ref) []keys.Ref {
	for i := range all {
		all[i].Missing = catalog.Skip
	}
	return all
}

func used(a keys.Access) keys.Access {
	a.Used = true
	return a
}

type namedResponse struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func permissionNames(all []*keys.Permission) []namedResponse {
	out := make([]namedResponse, len(all))
	for i, p := range all {
		out[i] = namedResponse{p.ID, p.Name}
	}
	return out
}

func roleNames(all []*keys.Role) []namedResponse {
	out := make([]namedResponse, len(all))
	for i, r := range all {
		out[i] = namedResponse{r.ID, r.Name}
	}
	return out
}

func (a *API) addPermissions(c *web.Call, in *addPermissionsRequest) ([]namedResponse, error) {
	asked, err := refs("permissions", in.Permissions)
	if err != nil {
		return nil, err
	}
	now, err := a.store.AddPermissions(c.Context(), access(c), in.KeyID, asked)
	return permissionNames(now.Asked), err
}

func (a *API) removePermissions(c *web.Call, in *setPermissionsRequest) (empty, error) {
	asked, err := slugRefs(in.Permissions)
	if err != nil {
		return empty{}, err
	}
	_, err = a.store.RemovePermissions(c.Context(), access(c), in.KeyID, skipping(asked))
	return empty{}, err
}

func (a *API) setPermissions(c *web.Call, in *setPermissionsRequest) ([]namedResponse, error) {
	asked, err := slugRefs(in.Permissions)
	if err != nil {
		return nil, err
	}
	now, err := a.store.SetPermissions(c.Context(), used(access(c)), in.KeyID, asked)
	return permissionNames(now.Asked), err
}

func (a *API) addRoles(c *web.Call, in *rolesRequest) ([]namedResponse, error) {
	asked, err := refs("roles", in.Roles)
	if err != nil {
		return nil, err
	}
	now, err := a.store.AddRoles(c.Context(), access(c), in.KeyID, asked)
	return roleNames(now.Asked), err
}

func (a *API) removeRoles(c *web.Call, in *rolesRequest) (empty, error) {
	asked, err := refs("roles", in.Roles)
	if err != nil {
		return empty{}, err
	}
	_, err = a.store.RemoveRoles(c.Context(), access(c), in.KeyID, skipping(asked))
	return empty{}, err
}

func (a *API) setRoles(c *web.Call, in *rolesRequest) ([]namedResponse, error) {
	asked, err := refs("roles", in.Roles)
	if err != nil {
		return nil, err
	}
	now, err := a.store.SetRoles(c.Context(), used(access(c)), in.KeyID, asked)
	return roleNames(now.Asked), err
}
