package transfer

import (
	"cmp"
	"context"
	"slices"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

// Imported counts what became of the lines of an import.
type Imported struct {
	Stored    int64
	Same      int64 // what was there already
	Expired   int64 // usage whose retention has ended since
	Different int64 // what was not stored: as many as LeftOut has
	LeftOut   []LeftOut
}

// LeftOut is a line that was not stored, and why.
type LeftOut struct {
	Index int    // among the lines given, counted from 0
	Kind  string // such as "key"
	ID    string // or the name, if it is one of a definition
	Why   string // goes on behind the two
}

// Why lines are left out.
const (
	whyContent   = "is there with another content, which stays"
	whyName      = "is the name of another one there"
	whySpelling  = "differs from the name of another one there by case alone"
	whyDigest    = "has the hash of another key there"
	whyElsewhere = "is there with another hash"
	whyDeleted   = "was deleted there, or another key with its hash"
	whyNoAPI     = "is of an API that is not there"
	whyNoSetup   = "is of a setup key that is not there"
	whyNoOwner   = "is of something that is not there"
	whyFull      = "is one more than its key may have"
	whyAlive     = "is deleted in the file, and has the hash of a key there"
)

// leave counts a line that is not stored.
func (i *Imported) leave(l *checkedRecord, why string) {
	kind, id := l.what()
	i.Different++
	i.LeftOut = append(i.LeftOut, LeftOut{l.index, kind, id, why})
}

// EnsureWorkspaceID makes a workspace with an id it had elsewhere, under a name. KindConflict
// where the name is another workspace's, or the id has another name.
func (s *Transfer) EnsureWorkspaceID(ctx context.Context, name, id string) error {
	if name == "" || len(name) > 64 {
		return keys.Invalidf("workspace", "the name has 1 to 64 characters")
	}
	if !workspaceIDs.MatchString(id) {
		return keys.Invalidf("workspace", "the file's is no workspace's id")
	}
	switch known, err := s.nameOf(ctx, id); {
	case err != nil:
		return err
	case known != "" && known != name:
		return keys.Errorf(keys.KindConflict, "workspace", "the store has the workspace of this file already, under the name %s: import into that one", known)
	}
	var made *redis.BoolCmd
	if err := s.Pipelined(ctx, func(p redis.Pipeliner) { made = p.HSetNX(ctx, layout.WorkspacesName, name, id) }); err != nil {
		return err
	}
	if made.Val() {
		return s.NoteWorkspace(ctx, id, name)
	}
	there, err := s.FindWorkspace(ctx, name)
	if err == nil && there != id {
		err = keys.Errorf(keys.KindConflict, "workspace", "the store has another workspace called %s: give this one another name", name)
	}
	return err
}

// nameOf looks for the name of a workspace; "" where the store has none of the id.
func (s *Transfer) nameOf(ctx context.Context, id string) (string, error) {
	for cursor := uint64(0); ; {
		var page *redis.ScanCmd
		if err := s.Pipelined(ctx, func(p redis.Pipeliner) {
			page = p.HScan(ctx, layout.WorkspacesName, cursor, "", transferPage)
		}); err != nil {
			return "", err
		}
		pairs, next := page.Val()
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i+1] == id {
				return pairs[i], nil
			}
		}
		if next == 0 {
			return "", nil
		}
		cursor = next
	}
}

// Import stores lines of an export of a workspace, at most MaxImport of them. What
// is there already is never changed, so that an import can be repeated. Where a line
// can't be it is a *BadRecord.
func (s *Transfer) Import(ctx context.Context, ws string, lines []ExportRecord) (done Imported, err error) {
	ctx, end := s.Audit.Begin(ctx, keys.Operator(ws), audit.ImportWorkspace)
	defer end(&err)
	all, err := checkRecords(ws, lines)
	if err != nil {
		return done, err
	}
	defer func() { done.count(ctx) }()
	for i := range recordKinds {
		kind := &recordKinds[i]
		lines := recordsOf(all, func(l *checkedRecord) bool { return l.kind == kind })
		if len(lines) == 0 || kind.store == nil {
			continue
		}
		if err := kind.store(s, ctx, ws, lines, &done); err != nil {
			return done, err
		}
	}
	return done, nil
}

// recordsOf returns the records that are wanted, in their order.
func recordsOf(all []checkedRecord, wanted func(*checkedRecord) bool) (some []checkedRecord) {
	for i := range all {
		if wanted(&all[i]) {
			some = append(some, all[i])
		}
	}
	return some
}

// importDefined stores definitions, and then their names, kind by kind.
func (s *Transfer) importDefined(ctx context.Context, ws string, all []checkedRecord, done *Imported) error {
	for _, d := range definitionKinds {
		lines := recordsOf(all, func(l *checkedRecord) bool { return l.Kind == string(d.kind) && l.Name == "" })
		if len(lines) == 0 {
			continue
		}
		if err := s.importDefinitions(ctx, ws, d.kind, lines, done); err != nil {
			return err
		}
	}
	for _, d := range definitionKinds {
		for _, of := range []nameKind{{d.kind, false}, {d.kind, true}} {
			lines := recordsOf(all, func(l *checkedRecord) bool { return l.Kind == string(d.kind) && l.Name != "" && l.Alike == of.alike })
			if len(lines) == 0 {
				continue
			}
			if err := s.importNames(ctx, ws, of, lines, done); err != nil {
				return err
			}
		}
	}
	return nil
}

// FinishImport makes every gateway read definitions that it may have looked for
// before they were there.
func (s *Transfer) FinishImport(ctx context.Context, ws string) error {
	c := catalog.NewChange(ws)
	for _, b := range layout.AllBuckets() {
		c.Raise(b)
	}
	_, _, err := s.Apply(ctx, c)
	return err
}

func (s *Transfer) importDefinitions(ctx context.Context, ws string, k layout.Kind, lines []checkedRecord, done *Imported) error {
	ids := make([]string, len(lines))
	for i, l := range lines {
		ids[i] = l.ID
		if k != layout.KindAPI {
			continue
		}
		if busy, err := s.Sweeping(ctx, ws, l.ID); err != nil || busy {
			return cmp.Or[error](err, keys.Errorf(keys.KindPrecondition, "api", "api %s was deleted and is still being removed: import again in some minutes", l.ID))
		}
	}
	return catalog.Retry(func() (bool, error) {
		there, err := s.DefinitionTexts(ctx, ws, k, ids)
		if err != nil {
			return false, err
		}
		c, tally := catalog.NewChange(ws), Imported{}
		for i, l := range lines {
			switch there[i] {
			case "":
				tally.Stored++
				c.Unchanged(k, l.ID, "")
				c.Put(k, l.ID, string(l.Stored))
				if !keys.IsManagedAPI(ws, l.ID) {
					c.List(k, l.ID)
				}
			case string(l.Stored):
				tally.Same++
			default:
				tally.leave(&l, whyContent)
			}
		}
		return s.importChange(ctx, k, c, tally, done)
	})
}

// nameKind is what names are imported together: those of a kind, apart from those of
// them that are alike.
type nameKind struct {
	kind  layout.Kind
	alike bool
}

// importNames stores names. One of a role that differs from another's by case alone is
// left out, unless both are of the file: then its store had them already, each of a role
// of its own.
func (s *Transfer) importNames(ctx context.Context, ws string, of nameKind, lines []checkedRecord, done *Imported) error {
	k, names := of.kind, make([]string, len(lines))
	for i, l := range lines {
		names[i] = l.Name
	}
	return catalog.Retry(func() (bool, error) {
		var ids *redis.SliceCmd
		if err := s.Pipelined(ctx, func(p redis.Pipeliner) { ids = p.HMGet(ctx, layout.UniqueName(ws, k), names...) }); err != nil {
			return false, err
		}
		there := make([]string, len(names))
		for i := range there {
			there[i] = redisdb.Text(ids.Val()[i])
		}
		otherwise, err := s.otherwiseThere(ctx, ws, of, names, there)
		if err != nil {
			return false, err
		}
		c, tally := catalog.NewChange(ws), Imported{}
		for i, l := range lines {
			switch {
			case there[i] == l.ID:
				tally.Same++
			case there[i] != "":
				tally.leave(&l, whyName)
			case otherwise[i]:
				tally.leave(&l, whySpelling)
			case of.unique():
				tally.Stored++
				c.ClaimName(catalog.Roles, l.Name, l.ID)
			default:
				tally.Stored++
				c.Claim(k, l.Name, l.ID)
			}
		}
		return s.importChange(ctx, k, c, tally, done)
	})
}

// unique reports whether the names are imported only where none differs from them by case
// alone.
func (of nameKind) unique() bool { return of.kind == catalog.Roles.Kind && !of.alike }

// otherwiseThere tells of names that nothing has as they are spelt whether they are there
// otherwise, or among the names before them.
func (s *Transfer) otherwiseThere(ctx context.Context, ws string, of nameKind, names, there []string) ([]bool, error) {
	otherwise := make([]bool, len(names))
	if !of.unique() {
		return otherwise, nil
	}
	ids, before := slices.Clone(there), map[string]bool{}
	err := s.OtherwiseSpelt(ctx, ws, catalog.Roles, names, ids)
	for i, name := range names {
		otherwise[i] = ids[i] != "" || before[catalog.Folded(name)]
		before[catalog.Folded(name)] = true
	}
	return otherwise, err
}

// importChange makes a change; false where somebody else was quicker.
func (s *Transfer) importChange(ctx context.Context, k layout.Kind, c *catalog.Change, tally Imported, done *Imported) (bool, error) {
	if !c.Empty() {
		made, err := s.ApplyNames(ctx, k, c)
		if err != nil || !made {
			return false, err
		}
	}
	done.add(tally)
	return true, nil
}

// count notes what became of the lines in the audit log.
func (i *Imported) count(ctx context.Context) {
	for what, n := range map[string]int64{"stored": i.Stored, "same": i.Same, "expired": i.Expired, "different": i.Different} {
		if n > 0 {
			audit.Count(ctx, what, n)
		}
	}
}

func (i *Imported) add(other Imported) {
	i.Stored, i.Same, i.Different = i.Stored+other.Stored, i.Same+other.Same, i.Different+other.Different
	i.Expired += other.Expired
	i.LeftOut = append(i.LeftOut, other.LeftOut...)
}
