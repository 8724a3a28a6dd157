package catalog

import (
	"cmp"
	"context"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/layout"
)

// CreatePermission makes a permission. A slug that is taken, however it is
// capitalised, is KindConflict.
func (s *Catalog) CreatePermission(ctx context.Context, a keys.Access, d keys.PermissionDraft) (made *keys.Permission, err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.CreatePermission, audit.Resource{Type: "permission", Name: cmp.Or(d.Slug, d.Name)})
	defer end(&err)
	slug := cmp.Or(d.Slug, d.Name)
	if err := cmp.Or(keys.CheckLength("name", d.Name, 1, keys.MaxPermissionName), checkSlug("slug", slug),
		keys.CheckLength("description", d.Description, 0, keys.MaxDescription)); err != nil {
		return nil, err
	}
	if err := a.Check(""); err != nil {
		return nil, err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	p := &keys.Permission{ID: keys.NewID(keys.PrefixPermission), Name: d.Name, Slug: slug, Description: d.Description, CreatedAt: now}
	return p, s.make(ctx, a.WorkspaceID, Permissions, p.ID, slug, p)
}

// Permission returns a permission by its id or slug. Here and wherever one thing is
// meant, a Ref with both an ID and a Name means whichever is there, the id first.
func (s *Catalog) Permission(ctx context.Context, a keys.Access, ref keys.Ref) (*keys.Permission, error) {
	if err := a.Check(""); err != nil {
		return nil, err
	}
	p, _, err := find[keys.Permission](ctx, s, a.WorkspaceID, Permissions, ref)
	return p, err
}

// Permissions lists permissions. A search looks at ids, names, slugs and descriptions.
func (s *Catalog) Permissions(ctx context.Context, a keys.Access, ask ListOptions) (Page[*keys.Permission], error) {
	if err := a.Check(""); err != nil {
		return Page[*keys.Permission]{}, err
	}
	return PageOf(ctx, s, a.WorkspaceID, layout.KindPermission, ask, func(p *keys.Permission) []string {
		return []string{p.ID, p.Name, p.Slug, p.Description}
	})
}

// DeletePermission takes a permission away from every key and role at once. One that
// is made anew under its slug is another: nobody who had the old one has it.
func (s *Catalog) DeletePermission(ctx context.Context, a keys.Access, ref keys.Ref) (err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.DeletePermission, named(layout.KindPermission, ref))
	defer end(&err)
	return drop(ctx, s, a, Permissions, ref, func(p *keys.Permission) dropped { return dropped{p.ID, p.Slug, layout.SharedBucket} })
}

// Called refers to whatever has this text as its id or its name.
func Called(text string) keys.Ref { return keys.Ref{ID: text, Name: text} }

// make stores a new definition under a unique name; KindConflict where it is taken.
func (s *Catalog) make(ctx context.Context, ws string, f RefKind, id, name string, definition any) error {
	c := NewChange(ws)
	c.ClaimName(f, name, id)
	c.List(f.Kind, id)
	c.Put(f.Kind, id, layout.EncodeDefinition(definition))
	made, err := s.ApplyNames(ctx, f.Kind, c)
	if err == nil && !made {
		return f.taken(name)
	}
	return err
}

// named is what a reference asks for, as the audit log has it.
func named(kind layout.Kind, ref keys.Ref) audit.Resource {
	return audit.Resource{Type: string(kind), ID: ref.ID, Name: ref.Name}
}

// taken says that a name can't be given to another one.
func (f RefKind) taken(name string) error {
	return keys.Errorf(keys.KindConflict, string(f.Kind), "%s %q already exists in this workspace", f.Kind, keys.Redact(name))
}

// named returns the id that a name leads to; "" where none has it.
func (f RefKind) named(ctx context.Context, s *Catalog, ws, name string) (string, error) {
	id, err := s.Named(ctx, ws, f.Kind, f.unique(name))
	if err != nil || id != "" {
		return id, err
	}
	ids := []string{""}
	err = s.OtherwiseSpelt(ctx, ws, f, []string{name}, ids)
	return ids[0], err
}

// find reads the definition that a reference is to, and its stored text.
func find[T any](ctx context.Context, s *Catalog, ws string, f RefKind, ref keys.Ref) (*T, string, error) {
	if ref.ID != "" {
		d, stored, err := ReadDefinition[T](ctx, s, ws, f.Kind, ref.ID)
		if err != nil || d != nil {
			return d, stored, err
		}
	}
	if ref.Name != "" {
		id, err := f.named(ctx, s, ws, ref.Name)
		if err != nil {
			return nil, "", err
		}
		d, stored, err := ReadDefinition[T](ctx, s, ws, f.Kind, id)
		if err != nil || d != nil {
			return d, stored, err
		}
	}
	return nil, "", keys.Errorf(keys.KindNotFound, string(f.Kind), "%s %s not found", f.Kind, keys.Redact(cmp.Or(ref.ID, ref.Name)))
}

// dropped is what has to be known of a definition to drop it.
type dropped struct {
	id, unique string
	bucket     layout.Bucket
}

// drop takes a definition away. Keys and roles keep its id, which leads nowhere and
// is given to nothing else.
func drop[T any](ctx context.Context, s *Catalog, a keys.Access, f RefKind, ref keys.Ref, of func(*T) dropped) error {
	if err := a.Check(""); err != nil {
		return err
	}
	return RetryPausing(ctx, func() (bool, error) {
		d, stored, err := find[T](ctx, s, a.WorkspaceID, f, ref)
		if err != nil {
			return false, err
		}
		gone := of(d)
		c := NewChange(a.WorkspaceID)
		c.Unchanged(f.Kind, gone.id, stored)
		c.Drop(f.Kind, gone.id)
		c.Release(f.Kind, f.unique(gone.unique), gone.id)
		c.Raise(gone.bucket)
		failed, _, err := s.Apply(ctx, c)
		return failed == 0, err
	})
}
