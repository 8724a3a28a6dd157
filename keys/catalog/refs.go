package catalog

import (
	"context"
	"slices"
	"unicode/utf8"

	"tollgate/keys"
	"tollgate/keys/layout"
)

// What becomes of a name that nothing has yet.
const (
	Refuse       keys.Missing = iota // KindNotFound
	Demand                           // KindPrecondition
	Create                           // it is made; the caller needs the right to
	CreateFreely                     // it is made
	Skip                             // it is left out, and so is an id that nothing has
)

// RefKind is what permissions and roles have in common for references.
type RefKind struct {
	Kind   layout.Kind
	prefix string                               // of ids
	right  keys.Right                           // to create one
	unique func(name string) string             // its form in the name index
	spelt  bool                                 // which is the exact spelling: foldednames.go makes it unique without regard to case
	check  func(field, name string) error       // of a new name
	make   func(id, name string, now int64) any // a new one
}

var Permissions = RefKind{
	Kind: layout.KindPermission, prefix: keys.PrefixPermission, right: keys.CreatePermission, unique: Folded, check: checkSlug,
	make: func(id, slug string, now int64) any {
		return &keys.Permission{ID: id, Name: slug, Slug: slug, CreatedAt: now}
	},
}

var Roles = RefKind{
	Kind: layout.KindRole, prefix: keys.PrefixRole, right: keys.CreateRole, unique: func(name string) string { return name }, spelt: true, check: checkRoleName,
	make: func(id, name string, now int64) any {
		return &keys.Role{ID: id, Name: name, CreatedAt: now}
	},
}

func checkSlug(field, slug string) error {
	if len(slug) > keys.MaxSlug || !keys.SlugPattern.MatchString(slug) || !utf8.ValidString(slug) {
		return keys.Invalidf(field, "a permission has 1 to %d characters, without white space", keys.MaxSlug)
	}
	return nil
}

func checkRoleName(field, name string) error {
	if name == "" || len(name) > keys.MaxRoleName {
		return keys.Invalidf(field, "a role's name has 1 to %d characters", keys.MaxRoleName)
	}
	return nil
}

// mayMake refuses where a missing name must be there, is no name, or may not be
// made by the caller.
func (s *Catalog) mayMake(a keys.Access, f RefKind, field string, missing []keys.Ref) error {
	for _, r := range missing {
		switch r.Missing {
		case Refuse:
			return keys.Errorf(keys.KindNotFound, string(f.Kind), "%s %s not found", f.Kind, keys.Redact(r.Name))
		case Demand:
			return keys.Errorf(keys.KindPrecondition, string(f.Kind), "%s %s not found", f.Kind, keys.Redact(r.Name))
		case Create:
			if err := (keys.Access{Caller: a.Caller}).Check("", f.right); err != nil {
				return err
			}
		}
		if err := f.check(field, r.Name); err != nil {
			return err
		}
	}
	return nil
}

// makeNamed makes permissions or roles by name, so many at a time that Redis is not
// held up. Where somebody else was quicker it makes none of those: the caller looks
// again.
func (s *Catalog) makeNamed(ctx context.Context, ws string, f RefKind, missing []keys.Ref) error {
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	done := map[string]bool{}
	for chunk := range slices.Chunk(missing, 100) {
		c := NewChange(ws)
		for _, r := range chunk {
			name := Folded(r.Name)
			if done[name] {
				continue
			}
			done[name] = true
			id := keys.NewID(f.prefix)
			c.ClaimName(f, r.Name, id)
			c.List(f.Kind, id)
			c.Put(f.Kind, id, layout.EncodeDefinition(f.make(id, r.Name, now)))
		}
		if _, err := s.ApplyNames(ctx, f.Kind, c); err != nil {
			return err
		}
	}
	return nil
}
