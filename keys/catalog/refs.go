package catalog

import (
	"context"
	"errors"
	"slices"
	"unicode/utf8"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
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

// ResolveRefs turns references into ids, each once, and makes what is missing where the
// reference says so and the caller may.
func (s *Catalog) ResolveRefs(ctx context.Context, a keys.Access, f RefKind, field string, refs []keys.Ref) ([]string, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	if err := keys.CheckRefs(field, refs); err != nil {
		return nil, err
	}
	ids, err := s.idsOf(ctx, a, f, field, refs)
	slices.Sort(ids)
	return slices.Compact(ids), err
}

// idsOf returns the id of each reference, and makes what is missing as ResolveRefs does.
func (s *Catalog) idsOf(ctx context.Context, a keys.Access, f RefKind, field string, refs []keys.Ref) (found []string, err error) {
	err = Retry(func() (bool, error) {
		ids, missing, err := s.LookUp(ctx, a.WorkspaceID, f, refs)
		if err != nil {
			return false, err
		}
		if len(missing) == 0 {
			found = ids
			return true, nil
		}
		if err := s.mayMake(a, f, field, missing); err != nil {
			return false, err
		}
		return false, s.makeNamed(ctx, a.WorkspaceID, f, missing)
	})
	return found, err
}

// LookUp returns the ids of the references that are there, and the others.
func (s *Catalog) LookUp(ctx context.Context, ws string, f RefKind, refs []keys.Ref) (ids []string, missing []keys.Ref, err error) {
	var byID []*redis.IntCmd
	var byName *redis.SliceCmd
	var names []string
	for _, r := range refs {
		if r.ID == "" {
			names = append(names, f.unique(r.Name))
		}
	}
	err = s.Pipelined(ctx, func(p redis.Pipeliner) {
		for _, r := range refs {
			if r.ID != "" {
				byID = append(byID, p.Exists(ctx, layout.DefinitionName(ws, f.Kind, r.ID)))
			}
		}
		if len(names) > 0 {
			byName = p.HMGet(ctx, layout.UniqueName(ws, f.Kind), names...)
		}
	})
	if err != nil {
		return nil, nil, err
	}
	found := make([]string, len(names))
	for i := range names {
		found[i] = redisdb.Text(byName.Val()[i])
	}
	if err := s.OtherwiseSpelt(ctx, ws, f, names, found); err != nil {
		return nil, nil, err
	}
	at, named := 0, 0
	for _, r := range refs {
		if r.ID != "" {
			switch there := byID[at].Val() != 0; {
			case there:
				ids = append(ids, r.ID)
			case r.Missing != Skip:
				return nil, nil, keys.Errorf(keys.KindNotFound, string(f.Kind), "%s %s not found", f.Kind, keys.Redact(r.ID))
			}
			at++
			continue
		}
		if id := found[named]; id != "" {
			ids = append(ids, id)
		} else if r.Missing != Skip {
			missing = append(missing, r)
		}
		named++
	}
	return ids, missing, nil
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

// Named returns the id that has a unique name; "" where none has.
func (s *Catalog) Named(ctx context.Context, ws string, k layout.Kind, name string) (string, error) {
	ctx, cancel := s.Bounded(ctx)
	defer cancel()
	id, err := s.Redis().HGet(ctx, layout.UniqueName(ws, k), name).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", redisdb.Unavailable(err)
	}
	return id, nil
}

// Identify returns the id of the identity with an external id, and makes it where
// there is none.
func (s *Catalog) Identify(ctx context.Context, a keys.Access, externalID string) (found string, err error) {
	err = Retry(func() (bool, error) {
		id, err := s.Named(ctx, a.WorkspaceID, layout.KindIdentity, externalID)
		if err != nil || id != "" {
			found = id
			return true, err
		}
		now, err := s.Now(ctx)
		if err != nil {
			return false, err
		}
		made := &keys.Identity{ID: keys.NewID(keys.PrefixIdentity), ExternalID: externalID, Environment: keys.DefaultEnvironment, CreatedAt: now}
		c := NewChange(a.WorkspaceID)
		c.Claim(layout.KindIdentity, externalID, made.ID)
		c.List(layout.KindIdentity, made.ID)
		c.Put(layout.KindIdentity, made.ID, layout.EncodeDefinition(made))
		failed, _, err := s.Apply(ctx, c)
		if err != nil || failed == 0 {
			found = made.ID
			return true, err
		}
		return false, nil
	})
	return found, err
}
