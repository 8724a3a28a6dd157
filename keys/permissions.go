package keys

import (
	"context"
	"unicode/utf8"
)

// Bounds of what permissions and roles are described by, in characters.
const (
	MaxPermissionName = 512
	MaxDescription    = 512
)

// PermissionDraft describes a permission to be made.
type PermissionDraft struct {
	Name        string
	Slug        string // what verifications ask for; "" is the name
	Description string
}

// CreatePermission makes a permission. A slug that is taken, however it is
// capitalised, is KindConflict.
func (s *Catalog) CreatePermission(ctx context.Context, a Access, d PermissionDraft) (*Permission, error) {
	slug := orDefault(d.Slug, d.Name)
	if err := firstError(checkLength("name", d.Name, 1, MaxPermissionName), checkSlug("slug", slug),
		checkLength("description", d.Description, 0, MaxDescription)); err != nil {
		return nil, err
	}
	if err := a.check(""); err != nil {
		return nil, err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	p := &Permission{ID: NewID(prefixPermission), Name: d.Name, Slug: slug, Description: d.Description, CreatedAt: now}
	return p, s.make(ctx, a.WorkspaceID, permissions, p.ID, slug, p)
}

// Permission returns a permission by its id or slug. Here and wherever one thing is
// meant, a Ref with both an ID and a Name means whichever is there, the id first.
func (s *Catalog) Permission(ctx context.Context, a Access, ref Ref) (*Permission, error) {
	if err := a.check(""); err != nil {
		return nil, err
	}
	p, _, err := find[Permission](ctx, s, a.WorkspaceID, permissions, ref)
	return p, err
}

// Permissions lists permissions. A search looks at ids, names, slugs and descriptions.
func (s *Catalog) Permissions(ctx context.Context, a Access, ask ListOptions) (Page[*Permission], error) {
	if err := a.check(""); err != nil {
		return Page[*Permission]{}, err
	}
	return pageOf(ctx, s, a.WorkspaceID, kindPermission, ask, func(p *Permission) []string {
		return []string{p.ID, p.Name, p.Slug, p.Description}
	})
}

// DeletePermission takes a permission away from every key and role at once. One that
// is made anew under its slug is another: nobody who had the old one has it.
func (s *Catalog) DeletePermission(ctx context.Context, a Access, ref Ref) error {
	return drop(ctx, s, a, permissions, ref, func(p *Permission) dropped { return dropped{p.ID, p.Slug, sharedBucket} })
}

func checkLength(field, value string, least, most int) error {
	if n := utf8.RuneCountInString(value); n < least || n > most {
		return Invalidf(field, "from %d to %d characters", least, most)
	}
	return nil
}

// Called refers to whatever has this text as its id or its name.
func Called(text string) Ref { return Ref{ID: text, Name: text} }

// make stores a new definition under a unique name; KindConflict where it is taken.
func (s *Catalog) make(ctx context.Context, ws string, f refKind, id, name string, definition any) error {
	c := newChange(ws)
	c.claimName(f, name, id)
	c.list(f.kind, id)
	c.put(f.kind, id, encodeDefinition(definition))
	made, err := s.applyNames(ctx, f.kind, c)
	if err == nil && !made {
		return f.taken(name)
	}
	return err
}

// taken says that a name can't be given to another one.
func (f refKind) taken(name string) error {
	return Errorf(KindConflict, string(f.kind), "%s %q already exists in this workspace", f.kind, Redact(name))
}

// named returns the id that a name leads to; "" where none has it.
func (f refKind) named(ctx context.Context, s *Catalog, ws, name string) (string, error) {
	id, err := s.named(ctx, ws, f.kind, f.unique(name))
	if err != nil || id != "" {
		return id, err
	}
	ids := []string{""}
	err = s.otherwiseSpelt(ctx, ws, f, []string{name}, ids)
	return ids[0], err
}

// find reads the definition that a reference is to, and its stored text.
func find[T any](ctx context.Context, s *Catalog, ws string, f refKind, ref Ref) (*T, string, error) {
	if ref.ID != "" {
		d, stored, err := readDefinition[T](ctx, s, ws, f.kind, ref.ID)
		if err != nil || d != nil {
			return d, stored, err
		}
	}
	if ref.Name != "" {
		id, err := f.named(ctx, s, ws, ref.Name)
		if err != nil {
			return nil, "", err
		}
		d, stored, err := readDefinition[T](ctx, s, ws, f.kind, id)
		if err != nil || d != nil {
			return d, stored, err
		}
	}
	return nil, "", Errorf(KindNotFound, string(f.kind), "%s %s not found", f.kind, Redact(orDefault(ref.ID, ref.Name)))
}

// dropped is what has to be known of a definition to drop it.
type dropped struct {
	id, unique string
	bucket     bucket
}

// drop takes a definition away. Keys and roles keep its id, which leads nowhere and
// is given to nothing else.
func drop[T any](ctx context.Context, s *Catalog, a Access, f refKind, ref Ref, of func(*T) dropped) error {
	if err := a.check(""); err != nil {
		return err
	}
	for try := range 4 * tries {
		d, stored, err := find[T](ctx, s, a.WorkspaceID, f, ref)
		if err != nil {
			return err
		}
		gone := of(d)
		c := newChange(a.WorkspaceID)
		c.unchanged(f.kind, gone.id, stored)
		c.drop(f.kind, gone.id)
		c.release(f.kind, f.unique(gone.unique), gone.id)
		c.raise(gone.bucket)
		if failed, _, err := s.apply(ctx, c); err != nil || failed == 0 {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
	return Unavailable(errBusy)
}
