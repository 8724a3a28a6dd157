package keys

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"tollgate/ratelimit"

	"github.com/redis/go-redis/v9"
)

// Bounds of namespaces. All overrides of one are in its record, which a gateway
// that limits in it has in memory.
const (
	MaxNamespaceName = 512 // characters
	MaxIdentifier    = 512 // characters
	MaxOverrides     = 10_000
	// MaxNamespaces is how many a workspace has, those that were deleted among them. A
	// request makes one by its name, so an application may hand its users' texts in.
	MaxNamespaces = 10_000
)

// Namespace is where an application counts by identifiers of its own. A limit
// comes with each request; overrides give some identifiers another one.
type Namespace struct {
	ID        string     `cbor:"1,keyasint"`
	Name      string     `cbor:"2,keyasint"`           // unique in the workspace, also of those that were deleted
	Overrides []Override `cbor:"3,keyasint,omitempty"` // sorted by id
	CreatedAt int64      `cbor:"4,keyasint"`           // unix ms
	DeletedAt int64      `cbor:"5,keyasint,omitempty"` // unix ms; 0 while it is there

	exact map[string]int // identifier to its place in Overrides
	wild  *ratelimit.Patterns
}

// Override is the limit of the identifiers that fit its own, in which a * stands
// for any run of characters.
type Override struct {
	ID         string `cbor:"1,keyasint"`
	Identifier string `cbor:"2,keyasint"`           // unique in the namespace
	Limit      int64  `cbor:"3,keyasint"`           // 0 blocks
	Duration   int64  `cbor:"4,keyasint"`           // ms
	Async      bool   `cbor:"5,keyasint,omitempty"` // kept to be shown; every decision is exact
}

// decodeNamespace reads a stored namespace, nil for "", ready to be asked.
func decodeNamespace(stored string) (*Namespace, error) {
	n, err := decodeDefinition[Namespace](stored)
	if n == nil || err != nil {
		return nil, err
	}
	n.exact = make(map[string]int, len(n.Overrides))
	identifiers := make([]string, len(n.Overrides))
	for i, o := range n.Overrides {
		n.exact[o.Identifier], identifiers[i] = i, o.Identifier
	}
	n.wild = ratelimit.NewPatterns(identifiers)
	return n, nil
}

// NamespaceRef names a namespace: by ID, or by Name, in the place of which an id
// may stand as well. Create makes the one of a Name that nothing has, if the
// caller has the right CreateNamespace.
type NamespaceRef struct {
	ID     string
	Name   string
	Create bool
}

func (r NamespaceRef) text() string { return orDefault(r.ID, r.Name) }

func (r NamespaceRef) notFound() error {
	return Errorf(KindNotFound, string(kindNamespace), "namespace %s not found", Redact(r.text()))
}

func isNamespaceID(text string) bool { return strings.HasPrefix(text, prefixNamespace+"_") }

// checkName refuses what no namespace can be called; a name never looks like an id.
func (r NamespaceRef) checkName() error {
	switch n := utf8.RuneCountInString(r.Name); {
	case n == 0 || n > MaxNamespaceName:
		return Invalidf("namespace", "a namespace's name has 1 to %d characters", MaxNamespaceName)
	case isNamespaceID(r.Name):
		return r.notFound()
	}
	return nil
}

// RuledNamespace is a namespace as a gateway has it in memory, and the revision
// that must still stand for it to be current.
type RuledNamespace struct {
	*Namespace
	Revision BucketRevision
}

// Namespaces returns the namespaces of references, as this gateway last saw them,
// and makes those that are missing and to be made. Whoever decides by them
// confirms the revisions in Redis, and calls RefreshIn where one has changed. The
// caller's rights over each of them are checked.
func (s *Catalog) Namespaces(ctx context.Context, a Access, refs []NamespaceRef) ([]RuledNamespace, error) {
	for range tries {
		ids, err := s.namespaceIDs(ctx, a.WorkspaceID, refs)
		if err != nil {
			return nil, err
		}
		found, err := s.namespacesOf(ctx, a.WorkspaceID, ids)
		if err != nil {
			return nil, err
		}
		again, err := s.admit(ctx, a, refs, found)
		if err != nil || !again {
			return found, err
		}
	}
	return nil, Unavailable(errBusy)
}

// admit checks the caller's rights over namespaces and makes missing ones. It tells
// whether to look again.
func (s *Catalog) admit(ctx context.Context, a Access, refs []NamespaceRef, found []RuledNamespace) (again bool, err error) {
	for i, r := range refs {
		n := found[i].Namespace
		if n == nil {
			if err := a.check(""); err != nil {
				return false, err
			}
			s.definitions.Invalidate(nameOfNamespace(a.WorkspaceID, r.Name))
			if err := s.makeNamespace(ctx, a, r); err != nil {
				return false, err
			}
			again = true
			continue
		}
		if err := firstError(a.check(n.ID), n.gone()); err != nil {
			return false, err
		}
	}
	return again, nil
}

func (n *Namespace) gone() error {
	if n.DeletedAt == 0 {
		return nil
	}
	return Errorf(KindGone, string(kindNamespace), "namespace %s was deleted", Redact(n.Name))
}

// nameOfNamespace is where the id of a name is remembered. An id never changes
// its name, nor a name its id, so no revision covers this.
func nameOfNamespace(ws, name string) string { return uniqueName(ws, kindNamespace) + ":" + name }

// namespaceIDs returns the ids of references, "" where nothing has the name.
func (s *Catalog) namespaceIDs(ctx context.Context, ws string, refs []NamespaceRef) ([]string, error) {
	ids, names, at := make([]string, len(refs)), []string(nil), []int(nil)
	for i, r := range refs {
		switch known, ok := s.definitions.GetIfPresent(nameOfNamespace(ws, r.Name)); {
		case r.ID != "":
			ids[i] = r.ID
		case isNamespaceID(r.Name):
			ids[i] = r.Name
		case ok:
			ids[i], _ = known.value.(string)
		default:
			names, at = append(names, r.Name), append(at, i)
		}
	}
	if len(names) == 0 {
		return ids, nil
	}
	var reply *redis.SliceCmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) { reply = p.HMGet(ctx, uniqueName(ws, kindNamespace), names...) })
	if err != nil {
		return nil, err
	}
	for j, id := range reply.Val() {
		if ids[at[j]] = text(id); ids[at[j]] != "" {
			s.definitions.Set(nameOfNamespace(ws, names[j]), cached{value: text(id)})
		}
	}
	return ids, nil
}

// namespacesOf returns the namespaces of ids, nil where there is none, each at the
// newest revision that this gateway has seen.
func (s *Catalog) namespacesOf(ctx context.Context, ws string, ids []string) ([]RuledNamespace, error) {
	for range tries {
		found, missing := make([]RuledNamespace, len(ids)), []need(nil)
		for i, id := range ids {
			if id == "" {
				continue
			}
			b := namespaceBucket(id)
			at, _ := s.revision(ws, b)
			c, ok := s.definitions.GetIfPresent(definitionName(ws, kindNamespace, id))
			if !ok || c.revision != at {
				missing = append(missing, need{b, kindNamespace, id, func(stored string) (any, error) { return decodeNamespace(stored) }})
				continue
			}
			n, _ := c.value.(*Namespace)
			found[i] = RuledNamespace{n, BucketRevision{b, at}}
		}
		if len(missing) == 0 {
			return found, nil
		}
		if err := s.cold.read(ctx, ws, missing); err != nil {
			return nil, err
		}
	}
	return nil, Unavailable(errBusy)
}

// makeNamespace makes the namespace of a name. Where somebody else was quicker it
// makes none: the caller looks again.
func (s *Catalog) makeNamespace(ctx context.Context, a Access, r NamespaceRef) error {
	if r.ID != "" || !r.Create || !a.can(CreateNamespace, "") {
		return r.notFound()
	}
	if err := r.checkName(); err != nil {
		return err
	}
	if err := s.roomForNamespace(ctx, a.WorkspaceID); err != nil {
		return err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	n := &Namespace{ID: NewID(prefixNamespace), Name: r.Name, CreatedAt: now}
	c := newChange(a.WorkspaceID)
	c.claim(kindNamespace, n.Name, n.ID)
	c.list(kindNamespace, n.ID)
	c.put(kindNamespace, n.ID, encodeDefinition(n))
	_, _, err = s.apply(ctx, c)
	return err
}

// roomForNamespace refuses one more than a workspace may have. Those that are made at the
// same moment may be a few more.
func (s *Catalog) roomForNamespace(ctx context.Context, ws string) error {
	var there *redis.IntCmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) { there = p.ZCard(ctx, listName(ws, kindNamespace)) })
	if err == nil && there.Val() >= MaxNamespaces {
		return Errorf(KindPrecondition, string(kindNamespace), "the workspace has %d namespaces already", MaxNamespaces)
	}
	return err
}

// Namespace returns a namespace of the caller's workspace as it is now.
func (s *Catalog) Namespace(ctx context.Context, a Access, r NamespaceRef) (*Namespace, error) {
	n, _, err := s.readNamespace(ctx, a, r)
	return n, err
}

// readNamespace reads a namespace as it is now, with its stored text.
func (s *Catalog) readNamespace(ctx context.Context, a Access, r NamespaceRef) (*Namespace, string, error) {
	for range tries {
		ids, err := s.namespaceIDs(ctx, a.WorkspaceID, []NamespaceRef{r})
		if err != nil {
			return nil, "", err
		}
		var n *Namespace
		var stored string
		if ids[0] != "" {
			if n, stored, err = readDefinition[Namespace](ctx, s, a.WorkspaceID, kindNamespace, ids[0]); err != nil {
				return nil, "", err
			}
		}
		again, err := s.admit(ctx, a, []NamespaceRef{r}, []RuledNamespace{{Namespace: n}})
		if err != nil || !again {
			return n, stored, err
		}
	}
	return nil, "", Unavailable(errBusy)
}

// DeleteNamespace takes a namespace away with its overrides. Its name stays taken:
// who limits in it is told that it is gone.
func (s *Catalog) DeleteNamespace(ctx context.Context, a Access, r NamespaceRef) error {
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	return s.changeNamespace(ctx, a, r, func(n *Namespace) error {
		n.Overrides, n.DeletedAt = nil, now
		return nil
	})
}

// changeNamespace reads a namespace, lets it be changed, and puts it back if
// nobody else changed it meanwhile. Every gateway obeys from then on.
func (s *Catalog) changeNamespace(ctx context.Context, a Access, r NamespaceRef, edit func(*Namespace) error) error {
	for try := range 4 * tries {
		n, stored, err := s.readNamespace(ctx, a, r)
		if err != nil {
			return err
		}
		if err := edit(n); err != nil {
			return err
		}
		slices.SortFunc(n.Overrides, func(x, y Override) int { return strings.Compare(x.ID, y.ID) })
		c := newChange(a.WorkspaceID)
		c.revokes = n.DeletedAt != 0
		c.unchanged(kindNamespace, n.ID, stored)
		c.put(kindNamespace, n.ID, encodeDefinition(n))
		c.raise(namespaceBucket(n.ID))
		failed, _, err := s.apply(ctx, c)
		if err != nil || failed == 0 {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
	return Unavailable(errBusy)
}
