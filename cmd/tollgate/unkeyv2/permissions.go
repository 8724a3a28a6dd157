package unkeyv2

import (
	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/catalog"
)

type createPermissionRequest struct {
	Name        string `json:"name" check:"required,minLen=1,maxLen=512"`
	Slug        string `json:"slug" check:"required,minLen=1,maxLen=128" pattern:"^[a-zA-Z0-9_:\\-\\.\\*]+$"`
	Description string `json:"description" check:"maxLen=512"`
}

type createPermissionResponse struct {
	PermissionID string `json:"permissionId"`
}

func (a *API) createPermission(c *web.Call, in *createPermissionRequest) (createPermissionResponse, error) {
	made, err := a.store.CreatePermission(c.Context(), access(c), keys.PermissionDraft{Name: in.Name, Slug: in.Slug, Description: in.Description})
	if err != nil {
		return createPermissionResponse{}, err
	}
	return createPermissionResponse{made.ID}, nil
}

// permissionRequest names a permission, by its id or its slug.
type permissionRequest struct {
	Permission string `json:"permission" check:"required,minLen=1,maxLen=128" pattern:"^[a-zA-Z0-9_:\\-\\.\\*]+$"`
}

func (a *API) getPermission(c *web.Call, in *permissionRequest) (permissionResponse, error) {
	found, err := a.store.Permission(c.Context(), access(c), catalog.Called(in.Permission))
	if err != nil {
		return permissionResponse{}, err
	}
	return permissionOf(found), nil
}

func (a *API) listPermissions(c *web.Call, in *listRequest) (page[permissionResponse], error) {
	found, err := a.store.Permissions(c.Context(), access(c), in.ask())
	return page[permissionResponse]{mapped(found.Rows, permissionOf), found.Next}, err
}

func (a *API) deletePermission(c *web.Call, in *permissionRequest) (empty, error) {
	return empty{}, a.store.DeletePermission(c.Context(), access(c), catalog.Called(in.Permission))
}

type createRoleRequest struct {
	Name        string   `json:"name" check:"required,minLen=1,maxLen=128"`
	Description string   `json:"description" check:"maxLen=512"`
	Permissions []string `json:"permissions" items:"minLen=1,maxLen=128" itemsPattern:"^[a-zA-Z0-9_:\\-\\.\\*]+$" bound:"maxItems=MaxKeyRefs"`
}

type createRoleResponse struct {
	RoleID string `json:"roleId"`
}

func (a *API) createRole(c *web.Call, in *createRoleRequest) (createRoleResponse, error) {
	made, err := a.store.CreateRole(c.Context(), access(c), keys.RoleDraft{
		Name: in.Name, Description: in.Description, Permissions: keys.Named(in.Permissions, catalog.Create),
	})
	if err != nil {
		return createRoleResponse{}, err
	}
	return createRoleResponse{made.ID}, nil
}

// roleRequest names a role, by its id or its name.
type roleRequest struct {
	Role string `json:"role" check:"required,minLen=1,maxLen=128"`
}

func (a *API) getRole(c *web.Call, in *roleRequest) (roleResponse, error) {
	found, err := a.store.Role(c.Context(), access(c), catalog.Called(in.Role))
	if err != nil {
		return roleResponse{}, err
	}
	return roleOf(found), nil
}

func (a *API) listRoles(c *web.Call, in *listRequest) (page[roleResponse], error) {
	found, err := a.store.Roles(c.Context(), access(c), in.ask())
	if err != nil {
		return page[roleResponse]{}, err
	}
	all, err := a.store.Granted(c.Context(), access(c), found.Rows)
	return page[roleResponse]{mapped(all, roleOf), found.Next}, err
}

func (a *API) deleteRole(c *web.Call, in *roleRequest) (empty, error) {
	return empty{}, a.store.DeleteRole(c.Context(), access(c), catalog.Called(in.Role))
}

type setRolePermissionsRequest struct {
	RoleID      string   `json:"roleId" check:"required,minLen=3,maxLen=255" pattern:"^[a-zA-Z0-9_-]+$"`
	Permissions []string `json:"permissions" check:"required" items:"minLen=1,maxLen=128" itemsPattern:"^[a-zA-Z0-9_:\\-\\.\\*]+$" bound:"maxItems=MaxKeyRefs"`
}

func (a *API) setRolePermissions(c *web.Call, in *setRolePermissionsRequest) ([]permissionResponse, error) {
	now, err := a.store.SetRolePermissions(c.Context(), access(c), keys.Ref{ID: in.RoleID}, keys.Named(in.Permissions, catalog.Create))
	return mapped(now.Granted, permissionOf), err
}
