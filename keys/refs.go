package keys

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"
)

// Missing says what becomes of a name that nothing has yet.
type Missing uint8

// What becomes of a name that nothing has yet.
const (
	Refuse       Missing = iota // KindNotFound
	Demand                      // KindPrecondition
	Create                      // it is made; the caller needs the right to
	CreateFreely                // it is made
	Skip                        // it is left out, and so is an id that nothing has
)

// Ref names a permission, by id or slug, or a role, by id or name.
type Ref struct {
	ID      string
	Name    string
	Missing Missing // for a Name that nothing has; an ID that nothing has is KindNotFound
}

// Named makes references by name that share what becomes of a missing one.
func Named(names []string, missing Missing) []Ref {
	refs := make([]Ref, len(names))
	for i, name := range names {
		refs[i] = Ref{Name: name, Missing: missing}
	}
	return refs
}

// Bounds of names, in bytes.
const (
	MaxSlug     = 512
	MaxRoleName = 512
)

// slugPattern is what a permission may be called: Unkey's alphabet, and what its
// first generation let through on createKey besides.
var slugPattern = regexp.MustCompile(`^[^\x00-\x20\x7f]+$`)

// refKind is what permissions and roles have in common for references.
type refKind struct {
	kind   definitionKind
	prefix string                               // of ids
	right  Right                                // to create one
	unique func(name string) string             // its form in the name index
	spelt  bool                                 // which is the exact spelling: foldednames.go makes it unique without regard to case
	check  func(field, name string) error       // of a new name
	make   func(id, name string, now int64) any // a new one
}

var permissions = refKind{
	kind: kindPermission, prefix: prefixPermission, right: CreatePermission, unique: folded, check: checkSlug,
	make: func(id, slug string, now int64) any {
		return &Permission{ID: id, Name: slug, Slug: slug, CreatedAt: now}
	},
}

var roles = refKind{
	kind: kindRole, prefix: prefixRole, right: CreateRole, unique: func(name string) string { return name }, spelt: true, check: checkRoleName,
	make: func(id, name string, now int64) any {
		return &Role{ID: id, Name: name, CreatedAt: now}
	},
}

func checkSlug(field, slug string) error {
	if len(slug) > MaxSlug || !slugPattern.MatchString(slug) || !utf8.ValidString(slug) {
		return Invalidf(field, "a permission has 1 to %d characters, without white space", MaxSlug)
	}
	return nil
}

func checkRoleName(field, name string) error {
	if name == "" || len(name) > MaxRoleName {
		return Invalidf(field, "a role's name has 1 to %d characters", MaxRoleName)
	}
	return nil
}

// checkRefs refuses more references than one key may have.
func checkRefs(field string, refs []Ref) error {
	if len(refs) > MaxKeyRefs {
		return Invalidf(field, "at most %d", MaxKeyRefs)
	}
	return nil
}

// resolveRefs turns references into ids, each once, and makes what is missing where the
// reference says so and the caller may.
func (s *Catalog) resolveRefs(ctx context.Context, a Access, f refKind, field string, refs []Ref) ([]string, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	if err := checkRefs(field, refs); err != nil {
		return nil, err
	}
	for range tries {
		ids, missing, err := s.lookUp(ctx, a.WorkspaceID, f, refs)
		if err != nil {
			return nil, err
		}
		if len(missing) == 0 {
			slices.Sort(ids)
			return slices.Compact(ids), nil
		}
		if err := s.mayMake(a, f, field, missing); err != nil {
			return nil, err
		}
		if err := s.makeNamed(ctx, a.WorkspaceID, f, missing); err != nil {
			return nil, err
		}
	}
	return nil, Unavailable(errBusy)
}

// lookUp returns the ids of the references that are there, and the others.
func (s *Catalog) lookUp(ctx context.Context, ws string, f refKind, refs []Ref) (ids []string, missing []Ref, err error) {
	var byID []*redis.IntCmd
	var byName *redis.SliceCmd
	var names []string
	for _, r := range refs {
		if r.ID == "" {
			names = append(names, f.unique(r.Name))
		}
	}
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		for _, r := range refs {
			if r.ID != "" {
				byID = append(byID, p.Exists(ctx, definitionName(ws, f.kind, r.ID)))
			}
		}
		if len(names) > 0 {
			byName = p.HMGet(ctx, uniqueName(ws, f.kind), names...)
		}
	})
	if err != nil {
		return nil, nil, err
	}
	found := make([]string, len(names))
	for i := range names {
		found[i] = text(byName.Val()[i])
	}
	if err := s.otherwiseSpelt(ctx, ws, f, names, found); err != nil {
		return nil, nil, err
	}
	at, named := 0, 0
	for _, r := range refs {
		if r.ID != "" {
			switch there := byID[at].Val() != 0; {
			case there:
				ids = append(ids, r.ID)
			case r.Missing != Skip:
				return nil, nil, Errorf(KindNotFound, string(f.kind), "%s %s not found", f.kind, Redact(r.ID))
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
func (s *Catalog) mayMake(a Access, f refKind, field string, missing []Ref) error {
	for _, r := range missing {
		switch r.Missing {
		case Refuse:
			return Errorf(KindNotFound, string(f.kind), "%s %s not found", f.kind, Redact(r.Name))
		case Demand:
			return Errorf(KindPrecondition, string(f.kind), "%s %s not found", f.kind, Redact(r.Name))
		case Create:
			if err := (Access{Caller: a.Caller}).check("", f.right); err != nil {
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
func (s *Catalog) makeNamed(ctx context.Context, ws string, f refKind, missing []Ref) error {
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	done := map[string]bool{}
	for chunk := range slices.Chunk(missing, 100) {
		c := newChange(ws)
		for _, r := range chunk {
			name := folded(r.Name)
			if done[name] {
				continue
			}
			done[name] = true
			id := NewID(f.prefix)
			c.claimName(f, r.Name, id)
			c.list(f.kind, id)
			c.put(f.kind, id, encodeDefinition(f.make(id, r.Name, now)))
		}
		if _, err := s.applyNames(ctx, f.kind, c); err != nil {
			return err
		}
	}
	return nil
}

// named returns the id that has a unique name; "" where none has.
func (s *Catalog) named(ctx context.Context, ws string, k definitionKind, name string) (string, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	id, err := s.redis.HGet(ctx, uniqueName(ws, k), name).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", Unavailable(err)
	}
	return id, nil
}

// identify returns the id of the identity with an external id, and makes it where
// there is none.
func (s *Catalog) identify(ctx context.Context, a Access, externalID string) (string, error) {
	for range tries {
		id, err := s.named(ctx, a.WorkspaceID, kindIdentity, externalID)
		if err != nil || id != "" {
			return id, err
		}
		now, err := s.Now(ctx)
		if err != nil {
			return "", err
		}
		made := &Identity{ID: NewID(prefixIdentity), ExternalID: externalID, Environment: DefaultEnvironment, CreatedAt: now}
		c := newChange(a.WorkspaceID)
		c.claim(kindIdentity, externalID, made.ID)
		c.list(kindIdentity, made.ID)
		c.put(kindIdentity, made.ID, encodeDefinition(made))
		failed, _, err := s.apply(ctx, c)
		if err != nil || failed == 0 {
			return made.ID, err
		}
	}
	return "", Unavailable(errBusy)
}
