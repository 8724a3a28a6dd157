package unkeyv1

import (
	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/catalog"
)

// permissionRoutes are those that make, show and delete permissions and roles.
func (a *API) permissionRoutes() []web.Route {
	d := a.dialect
	return []web.Route{
		post("/v1/permissions.createPermission", "createPermission", rights(keys.CreatePermission), web.JSON(d, a.createPermission)),
		get("/v1/permissions.getPermission", "getPermission", rights(keys.ReadPermission), web.Query(d, a.getPermission)),
		get("/v1/permissions.listPermissions", "listPermissions", rights(keys.ReadPermission), web.Heavy(web.Plain(a.listPermissions))),
		post("/v1/permissions.deletePermission", "deletePermission", rights(keys.DeletePermission), web.JSON(d, a.deletePermission)),
		post("/v1/permissions.createRole", "createRole", rights(keys.CreateRole), web.JSON(d, a.createRole)),
		get("/v1/permissions.getRole", "getRole", rights(keys.ReadRole), web.Query(d, a.getRole)),
		get("/v1/permissions.listRoles", "listRoles", rights(keys.ReadRole), web.Heavy(web.Plain(a.listRoles))),
		post("/v1/permissions.deleteRole", "deleteRole", rights(keys.DeleteRole), web.JSON(d, a.deleteRole)),
	}
}

type createPermissionRequest struct {
	Name        string  `json:"name" check:"required,minLen=3,maxLen=256" pattern:"^[a-zA-Z0-9_\\.:\\-]*$"`
	Slug        *string `json:"slug" check:"minLen=3,maxLen=256" pattern:"^[a-zA-Z0-9_\\.:\\-]*$"`
	Description string  `json:"description" bound:"maxLen=MaxDescription"`
}

type createPermissionResponse struct {
	PermissionID string `json:"permissionId"`
}

func (a *API) createPermission(c *web.Call, in *createPermissionRequest) (createPermissionResponse, error) {
	draft := keys.PermissionDraft{Name: in.Name, Slug: in.Name, Description: in.Description}
	if in.Slug != nil {
		draft.Slug = *in.Slug
	}
	p, err := a.store.CreatePermission(c.Context(), access(c), draft)
	if err != nil {
		return createPermissionResponse{}, err
	}
	return createPermissionResponse{p.ID}, nil
}

type getPermissionRequest struct {
	PermissionID string `json:"permissionId" check:"required,minLen=1"`
}

type permissionResponse struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Slug        string `json:"slug"`
	Description string `json:"description,omitempty"`
}

func permissionOf(p *keys.Permission) permissionResponse {
	return permissionResponse{p.ID, p.Name, p.Slug, p.Description}
}

func (a *API) getPermission(c *web.Call, in *getPermissionRequest) (permissionResponse, error) {
	p, err := a.store.Permission(c.Context(), access(c), keys.Ref{ID: in.PermissionID})
	if err != nil {
		return permissionResponse{}, err
	}
	return permissionOf(p), nil
}

func (a *API) listPermissions(c *web.Call) (web.Rows[permissionResponse], error) {
	return everything(func(ask catalog.ListOptions) (catalog.Page[*keys.Permission], error) {
		return a.store.Permissions(c.Context(), access(c), ask)
	}, permissionOf)
}

// everything is a whole list, read a page at a time.
func everything[T, R any](read func(catalog.ListOptions) (catalog.Page[T], error), show func(T) R) ([]R, error) {
	all := []R{}
	for ask := (catalog.ListOptions{Limit: catalog.MaxRows}); ; {
		page, err := read(ask)
		if err != nil {
			return nil, err
		}
		for _, row := range page.Rows {
			all = append(all, show(row))
		}
		if ask.From = page.Next; ask.From == "" {
			return all, nil
		}
	}
}

type deletePermissionRequest struct {
	PermissionID string `json:"permissionId" check:"required"`
}

func (a *API) deletePermission(c *web.Call, in *deletePermissionRequest) (empty, error) {
	return empty{}, a.store.DeletePermission(c.Context(), access(c), keys.Ref{ID: in.PermissionID})
}

type createRoleRequest struct {
	Name        string `json:"name" check:"required,minLen=3,maxLen=256"`
	Description string `json:"description" bound:"maxLen=MaxDescription"`
}

type createRoleResponse struct {
	RoleID string `json:"roleId"`
}

func (a *API) createRole(c *web.Call, in *createRoleRequest) (createRoleResponse, error) {
	r, err := a.store.CreateRole(c.Context(), access(c), keys.RoleDraft{Name: in.Name, Description: in.Description})
	if err != nil {
		return createRoleResponse{}, err
	}
	return createRoleResponse{r.ID}, nil
}

type getRoleRequest struct {
	RoleID string `json:"roleId" check:"required,minLen=1"`
}

type roleResponse struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

func roleOf(r *keys.Role) roleResponse { return roleResponse{r.ID, r.Name, r.Description} }

func (a *API) getRole(c *web.Call, in *getRoleRequest) (roleResponse, error) {
	r, err := a.store.Role(c.Context(), access(c), keys.Ref{ID: in.RoleID})
	if err != nil {
		return roleResponse{}, err
	}
	return roleOf(r.Role), nil
}

func (a *API) listRoles(c *web.Call) (web.Rows[roleResponse], error) {
	return everything(func(ask catalog.ListOptions) (catalog.Page[*keys.Role], error) {
		return a.store.Roles(c.Context(), access(c), ask)
	}, roleOf)
}

type deleteRoleRequest struct {
	RoleID string `json:"roleId" check:"required"`
}

func (a *API) deleteRole(c *web.Call, in *deleteRoleRequest) (empty, error) {
	return empty{}, a.store.DeleteRole(c.Context(), access(c), keys.Ref{ID: in.RoleID})
}
