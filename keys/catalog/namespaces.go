package catalog

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

// decodeNamespace reads a stored namespace, nil for "", ready to be asked.
func decodeNamespace(stored string) (*keys.Namespace, error) {
	n, err := layout.DecodeDefinition[keys.Namespace](stored)
	if n == nil || err != nil {
		return nil, err
	}
	n.Index()
	return n, nil
}

// checkNamespaceName refuses what no namespace can be called; a name never looks like an id.
func checkNamespaceName(r keys.NamespaceRef) error {
	switch n := utf8.RuneCountInString(r.Name); {
	case n == 0 || n > keys.MaxNamespaceName:
		return keys.Invalidf("namespace", "a namespace's name has 1 to %d characters", keys.MaxNamespaceName)
	case layout.IsNamespaceID(r.Name):
		return keys.NamespaceNotFound(r)
	}
	return nil
}

// RuledNamespace is a namespace as a gateway has it in memory, and the revision
// that must still stand for it to be current.
type RuledNamespace struct {
	*keys.Namespace
	Revision BucketRevision
}

// Namespaces returns the namespaces of references, as this gateway last saw them,
// and makes those that are missing and to be made. Whoever decides by them
// confirms the revisions in Redis, and calls RefreshIn where one has changed. The
// caller's rights over each of them are checked.
func (s *Catalog) Namespaces(ctx context.Context, a keys.Access, refs []keys.NamespaceRef) (all []RuledNamespace, err error) {
	err = Retry(func() (bool, error) {
		ids, err := s.namespaceIDs(ctx, a.WorkspaceID, refs)
		if err != nil {
			return false, err
		}
		found, err := s.namespacesOf(ctx, a.WorkspaceID, ids)
		if err != nil {
			return false, err
		}
		again, err := s.admit(ctx, a, refs, found)
		if err != nil || !again {
			all = found
			return true, err
		}
		return false, nil
	})
	return all, err
}

// admit checks the caller's rights over namespaces and makes missing ones. It tells
// whether to look again.
func (s *Catalog) admit(ctx context.Context, a keys.Access, refs []keys.NamespaceRef, found []RuledNamespace) (again bool, err error) {
	for i, r := range refs {
		n := found[i].Namespace
		if n == nil {
			if err := a.Check(""); err != nil {
				return false, err
			}
			s.definitions.Invalidate(nameOfNamespace(a.WorkspaceID, r.Name))
			if err := s.makeNamespace(ctx, a, r); err != nil {
				return false, err
			}
			again = true
			continue
		}
		if err := cmp.Or(a.Check(n.ID), namespaceGone(n)); err != nil {
			return false, err
		}
	}
	return again, nil
}

func namespaceGone(n *keys.Namespace) error {
	if n.DeletedAt == 0 {
		return nil
	}
	return keys.Errorf(keys.KindGone, string(layout.KindNamespace), "namespace %s was deleted", keys.Redact(n.Name))
}

// nameOfNamespace is where the id of a name is remembered. An id never changes
// its name, nor a name its id, so no revision covers this.
func nameOfNamespace(ws, name string) string {
	return layout.UniqueName(ws, layout.KindNamespace) + ":" + name
}

// namespaceIDs returns the ids of references, "" where nothing has the name.
func (s *Catalog) namespaceIDs(ctx context.Context, ws string, refs []keys.NamespaceRef) ([]string, error) {
	ids, names, at := make([]string, len(refs)), []string(nil), []int(nil)
	for i, r := range refs {
		switch known, ok := s.definitions.GetIfPresent(nameOfNamespace(ws, r.Name)); {
		case r.ID != "":
			ids[i] = r.ID
		case layout.IsNamespaceID(r.Name):
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
	err := s.Pipelined(ctx, func(p redis.Pipeliner) { reply = p.HMGet(ctx, layout.UniqueName(ws, layout.KindNamespace), names...) })
	if err != nil {
		return nil, err
	}
	for j, id := range reply.Val() {
		if ids[at[j]] = redisdb.Text(id); ids[at[j]] != "" {
			s.definitions.Set(nameOfNamespace(ws, names[j]), cached{value: redisdb.Text(id)})
		}
	}
	return ids, nil
}

// namespacesOf returns the namespaces of ids, nil where there is none, each at the
// newest revision that this gateway has seen.
func (s *Catalog) namespacesOf(ctx context.Context, ws string, ids []string) (all []RuledNamespace, err error) {
	err = Retry(func() (bool, error) {
		found, missing := make([]RuledNamespace, len(ids)), []Need(nil)
		for i, id := range ids {
			if id == "" {
				continue
			}
			b := layout.NamespaceBucket(id)
			at, _ := s.revision(ws, b)
			c, ok := s.definitions.GetIfPresent(layout.DefinitionName(ws, layout.KindNamespace, id))
			if !ok || c.revision != at {
				missing = append(missing, Need{b, layout.KindNamespace, id, func(stored string) (any, error) { return decodeNamespace(stored) }})
				continue
			}
			n, _ := c.value.(*keys.Namespace)
			found[i] = RuledNamespace{n, BucketRevision{b, at}}
		}
		if len(missing) == 0 {
			all = found
			return true, nil
		}
		return false, s.cold.read(ctx, ws, missing)
	})
	return all, err
}

// makeNamespace makes the namespace of a name. Where somebody else was quicker it
// makes none: the caller looks again.
func (s *Catalog) makeNamespace(ctx context.Context, a keys.Access, r keys.NamespaceRef) (err error) {
	if r.ID != "" || !r.Create || !a.Can(keys.CreateNamespace, "") {
		return keys.NamespaceNotFound(r)
	}
	if err := checkNamespaceName(r); err != nil {
		return err
	}
	if err := s.roomForNamespace(ctx, a.WorkspaceID); err != nil {
		return err
	}
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.CreateNamespace)
	defer end(&err)
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	n := &keys.Namespace{ID: keys.NewID(keys.PrefixNamespace), Name: r.Name, CreatedAt: now}
	c := NewChange(a.WorkspaceID)
	c.Claim(layout.KindNamespace, n.Name, n.ID)
	c.List(layout.KindNamespace, n.ID)
	c.Put(layout.KindNamespace, n.ID, layout.EncodeDefinition(n))
	_, _, err = s.Apply(ctx, c)
	return err
}

// roomForNamespace refuses one more than a workspace may have. Those that are made at the
// same moment may be a few more.
func (s *Catalog) roomForNamespace(ctx context.Context, ws string) error {
	var there *redis.IntCmd
	err := s.Pipelined(ctx, func(p redis.Pipeliner) { there = p.ZCard(ctx, layout.ListName(ws, layout.KindNamespace)) })
	if err == nil && there.Val() >= keys.MaxNamespaces {
		return keys.Errorf(keys.KindPrecondition, string(layout.KindNamespace), "the workspace has %d namespaces already", keys.MaxNamespaces)
	}
	return err
}

// Namespace returns a namespace of the caller's workspace as it is now.
func (s *Catalog) Namespace(ctx context.Context, a keys.Access, r keys.NamespaceRef) (*keys.Namespace, error) {
	n, _, err := s.readNamespace(ctx, a, r)
	return n, err
}

// readNamespace reads a namespace as it is now, with its stored text.
func (s *Catalog) readNamespace(ctx context.Context, a keys.Access, r keys.NamespaceRef) (found *keys.Namespace, text string, err error) {
	err = Retry(func() (bool, error) {
		ids, err := s.namespaceIDs(ctx, a.WorkspaceID, []keys.NamespaceRef{r})
		if err != nil {
			return false, err
		}
		var n *keys.Namespace
		var stored string
		if ids[0] != "" {
			if n, stored, err = ReadDefinition[keys.Namespace](ctx, s, a.WorkspaceID, layout.KindNamespace, ids[0]); err != nil {
				return false, err
			}
		}
		again, err := s.admit(ctx, a, []keys.NamespaceRef{r}, []RuledNamespace{{Namespace: n}})
		if err != nil || !again {
			found, text = n, stored
			return true, err
		}
		return false, nil
	})
	return found, text, err
}

// DeleteNamespace takes a namespace away with its overrides. Its name stays taken:
// who limits in it is told that it is gone.
func (s *Catalog) DeleteNamespace(ctx context.Context, a keys.Access, r keys.NamespaceRef) (err error) {
	ctx, end := s.Audit.Begin(ctx, a.Caller, audit.DeleteNamespace, audit.Resource{Type: "ratelimit_namespace", ID: r.ID, Name: r.Name})
	defer end(&err)
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	return s.changeNamespace(ctx, a, r, func(n *keys.Namespace) error {
		n.Overrides, n.DeletedAt = nil, now
		return nil
	})
}

// changeNamespace reads a namespace, lets it be changed, and puts it back if
// nobody else changed it meanwhile. Every gateway obeys from then on.
func (s *Catalog) changeNamespace(ctx context.Context, a keys.Access, r keys.NamespaceRef, edit func(*keys.Namespace) error) error {
	return RetryPausing(ctx, func() (bool, error) {
		n, stored, err := s.readNamespace(ctx, a, r)
		if err != nil {
			return false, err
		}
		if err := edit(n); err != nil {
			return false, err
		}
		slices.SortFunc(n.Overrides, func(x, y keys.Override) int { return strings.Compare(x.ID, y.ID) })
		c := NewChange(a.WorkspaceID)
		c.Revokes = n.DeletedAt != 0
		c.Unchanged(layout.KindNamespace, n.ID, stored)
		c.Put(layout.KindNamespace, n.ID, layout.EncodeDefinition(n))
		c.Raise(layout.NamespaceBucket(n.ID))
		failed, _, err := s.Apply(ctx, c)
		return failed == 0, err
	})
}
