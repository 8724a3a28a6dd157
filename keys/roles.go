package keys

import (
	"context"
	"slices"
	"strings"
)

// RoleDraft describes a role to be made.
type RoleDraft struct {
	Name        string
	Description string
	Permissions []Ref
}

// RoleDetails is a role with the permissions that it gives, by slug.
type RoleDetails struct {
	*Role
	Granted []*Permission
}

// CreateRole makes a role; with permissions it needs AddPermissionToRole as well. A
// name that is taken, however it is capitalised, is KindConflict.
func (s *Catalog) CreateRole(ctx context.Context, a Access, d RoleDraft) (*Role, error) {
	if err := firstError(checkRoleName("name", d.Name), checkLength("description", d.Description, 0, MaxDescription)); err != nil {
		return nil, err
	}
	var also []Right
	if len(d.Permissions) > 0 {
		also = []Right{AddPermissionToRole}
	}
	if err := a.check("", also...); err != nil {
		return nil, err
	}
	if there, err := roles.named(ctx, s, a.WorkspaceID, d.Name); err != nil {
		return nil, err
	} else if there != "" { // before any permission is made for it
		return nil, roles.taken(d.Name)
	}
	granted, err := s.resolveRefs(ctx, a, permissions, "permissions", d.Permissions)
	if err != nil {
		return nil, err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	r := &Role{ID: NewID(prefixRole), Name: d.Name, Description: d.Description, Permissions: granted, CreatedAt: now}
	return r, s.make(ctx, a.WorkspaceID, roles, r.ID, r.Name, r)
}

// Role returns a role by its id or name.
func (s *Catalog) Role(ctx context.Context, a Access, ref Ref) (RoleDetails, error) {
	if err := a.check(""); err != nil {
		return RoleDetails{}, err
	}
	r, _, err := find[Role](ctx, s, a.WorkspaceID, roles, ref)
	if err != nil {
		return RoleDetails{}, err
	}
	return s.granted(ctx, a.WorkspaceID, r)
}

// Roles lists roles. A search looks at ids, names and descriptions. Granted reads
// the permissions of a page.
func (s *Catalog) Roles(ctx context.Context, a Access, ask ListOptions) (Page[*Role], error) {
	if err := a.check(""); err != nil {
		return Page[*Role]{}, err
	}
	return pageOf(ctx, s, a.WorkspaceID, kindRole, ask, func(r *Role) []string {
		return []string{r.ID, r.Name, r.Description}
	})
}

// DeleteRole takes a role away from every key at once.
func (s *Catalog) DeleteRole(ctx context.Context, a Access, ref Ref) error {
	return drop(ctx, s, a, roles, ref, func(r *Role) dropped { return dropped{r.ID, r.Name, sharedBucket} })
}

// SetRolePermissions makes these the permissions of a role, and returns the role as it
// is then. However many keys have the role, their next verification obeys.
func (s *Catalog) SetRolePermissions(ctx context.Context, a Access, ref Ref, refs []Ref) (RoleDetails, error) {
	if err := a.check(""); err != nil {
		return RoleDetails{}, err
	}
	for try := range 4 * tries {
		r, stored, err := find[Role](ctx, s, a.WorkspaceID, roles, ref)
		if err != nil {
			return RoleDetails{}, err
		}
		if r.Permissions, err = s.resolveRefs(ctx, a, permissions, "permissions", refs); err != nil {
			return RoleDetails{}, err
		}
		changed := encodeDefinition(r)
		if changed == stored {
			if err := s.confirm(ctx, a.WorkspaceID, sharedBucket); err != nil {
				return RoleDetails{}, err
			}
			return s.granted(ctx, a.WorkspaceID, r)
		}
		c := newChange(a.WorkspaceID)
		c.unchanged(kindRole, r.ID, stored)
		c.put(kindRole, r.ID, changed)
		c.raise(sharedBucket)
		failed, _, err := s.apply(ctx, c)
		if err != nil {
			return RoleDetails{}, err
		}
		if failed == 0 {
			return s.granted(ctx, a.WorkspaceID, r)
		}
		if err := pause(ctx, try); err != nil {
			return RoleDetails{}, err
		}
	}
	return RoleDetails{}, Unavailable(errBusy)
}

func (s *Catalog) granted(ctx context.Context, ws string, r *Role) (RoleDetails, error) {
	all, err := s.Granted(ctx, Operator(ws).As(), []*Role{r})
	if err != nil {
		return RoleDetails{}, err
	}
	return all[0], nil
}

// Granted reads the permissions of roles of the caller's workspace, all in one
// exchange.
func (s *Catalog) Granted(ctx context.Context, a Access, of []*Role) ([]RoleDetails, error) {
	var ids []string
	for _, r := range of {
		ids = append(ids, r.Permissions...)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	found, err := definitionsOf[Permission](ctx, s, a.WorkspaceID, kindPermission, ids)
	if err != nil {
		return nil, err
	}
	byID := map[string]*Permission{}
	for i, p := range found {
		byID[ids[i]] = p
	}
	all := make([]RoleDetails, len(of))
	for i, r := range of {
		all[i] = RoleDetails{r, []*Permission{}}
		for _, id := range r.Permissions {
			if p := byID[id]; p != nil {
				all[i].Granted = append(all[i].Granted, p)
			}
		}
		slices.SortFunc(all[i].Granted, bySlug)
	}
	return all, nil
}

func bySlug(a, b *Permission) int { return strings.Compare(a.Slug, b.Slug) }
