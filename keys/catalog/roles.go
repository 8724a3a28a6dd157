package catalog

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/layout"
)

// RoleDetails is a role with the permissions that it gives, by slug.
type RoleDetails struct {
	*keys.Role
	Granted []*keys.Permission
}

// CreateRole makes a role; with permissions it needs AddPermissionToRole as well. A
// name that is taken, however it is capitalised, is KindConflict.
func (s *Catalog) CreateRole(ctx context.Context, a keys.Access, d keys.RoleDraft) (made *keys.Role, err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.CreateRole, audit.Resource{Type: "role", Name: d.Name})
	defer end(&err)
	if err := cmp.Or(checkRoleName("name", d.Name), keys.CheckLength("description", d.Description, 0, keys.MaxDescription)); err != nil {
		return nil, err
	}
	var also []keys.Right
	if len(d.Permissions) > 0 {
		also = []keys.Right{keys.AddPermissionToRole}
	}
	if err := a.Check("", also...); err != nil {
		return nil, err
	}
	if there, err := Roles.named(ctx, s, a.WorkspaceID, d.Name); err != nil {
		return nil, err
	} else if there != "" { // before any permission is made for it
		return nil, Roles.taken(d.Name)
	}
	granted, err := s.ResolveRefs(ctx, a, Permissions, "permissions", d.Permissions)
	if err != nil {
		return nil, err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	r := &keys.Role{ID: keys.NewID(keys.PrefixRole), Name: d.Name, Description: d.Description, Permissions: granted, CreatedAt: now}
	return r, s.make(ctx, a.WorkspaceID, Roles, r.ID, r.Name, r)
}

// Role returns a role by its id or name.
func (s *Catalog) Role(ctx context.Context, a keys.Access, ref keys.Ref) (RoleDetails, error) {
	if err := a.Check(""); err != nil {
		return RoleDetails{}, err
	}
	r, _, err := find[keys.Role](ctx, s, a.WorkspaceID, Roles, ref)
	if err != nil {
		return RoleDetails{}, err
	}
	return s.granted(ctx, a.WorkspaceID, r)
}

// Roles lists roles. A search looks at ids, names and descriptions. Granted reads
// the permissions of a page.
func (s *Catalog) Roles(ctx context.Context, a keys.Access, ask ListOptions) (Page[*keys.Role], error) {
	if err := a.Check(""); err != nil {
		return Page[*keys.Role]{}, err
	}
	return PageOf(ctx, s, a.WorkspaceID, layout.KindRole, ask, func(r *keys.Role) []string {
		return []string{r.ID, r.Name, r.Description}
	})
}

// DeleteRole takes a role away from every key at once.
func (s *Catalog) DeleteRole(ctx context.Context, a keys.Access, ref keys.Ref) (err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.DeleteRole, named(layout.KindRole, ref))
	defer end(&err)
	return drop(ctx, s, a, Roles, ref, func(r *keys.Role) dropped { return dropped{r.ID, r.Name, layout.SharedBucket} })
}

// SetRolePermissions makes these the permissions of a role, and returns the role as it
// is then. However many keys have the role, their next verification obeys.
func (s *Catalog) SetRolePermissions(ctx context.Context, a keys.Access, ref keys.Ref, refs []keys.Ref) (details RoleDetails, err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.UpdateRole, named(layout.KindRole, ref))
	defer end(&err)
	if err := a.Check(""); err != nil {
		return RoleDetails{}, err
	}
	err = RetryPausing(ctx, func() (bool, error) {
		r, stored, err := find[keys.Role](ctx, s, a.WorkspaceID, Roles, ref)
		if err != nil {
			return false, err
		}
		if r.Permissions, err = s.ResolveRefs(ctx, a, Permissions, "permissions", refs); err != nil {
			return false, err
		}
		changed := layout.EncodeDefinition(r)
		if changed == stored {
			if err := s.confirm(ctx, a.WorkspaceID, layout.SharedBucket); err != nil {
				return false, err
			}
			details, err = s.granted(ctx, a.WorkspaceID, r)
			return true, err
		}
		c := NewChange(a.WorkspaceID)
		c.Unchanged(layout.KindRole, r.ID, stored)
		c.Put(layout.KindRole, r.ID, changed)
		c.Raise(layout.SharedBucket)
		failed, _, err := s.Apply(ctx, c)
		if err != nil {
			return false, err
		}
		if failed == 0 {
			details, err = s.granted(ctx, a.WorkspaceID, r)
			return true, err
		}
		return false, nil
	})
	return details, err
}

func (s *Catalog) granted(ctx context.Context, ws string, r *keys.Role) (RoleDetails, error) {
	all, err := s.Granted(ctx, keys.Operator(ws).As(), []*keys.Role{r})
	if err != nil {
		return RoleDetails{}, err
	}
	return all[0], nil
}

// Granted reads the permissions of roles of the caller's workspace, all in one
// exchange.
func (s *Catalog) Granted(ctx context.Context, a keys.Access, of []*keys.Role) ([]RoleDetails, error) {
	var ids []string
	for _, r := range of {
		ids = append(ids, r.Permissions...)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	found, _, err := ReadDefinitions[keys.Permission](ctx, s, a.WorkspaceID, layout.KindPermission, ids)
	if err != nil {
		return nil, err
	}
	byID := map[string]*keys.Permission{}
	for i, p := range found {
		byID[ids[i]] = p
	}
	all := make([]RoleDetails, len(of))
	for i, r := range of {
		all[i] = RoleDetails{r, []*keys.Permission{}}
		for _, id := range r.Permissions {
			if p := byID[id]; p != nil {
				all[i].Granted = append(all[i].Granted, p)
			}
		}
		slices.SortFunc(all[i].Granted, BySlug)
	}
	return all, nil
}

// BySlug compares permissions by their slugs.
func BySlug(a, b *keys.Permission) int { return strings.Compare(a.Slug, b.Slug) }
