package catalog

import (
	"context"
	_ "embed"
	"maps"
	"slices"
	"strings"
	"time"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

// Names of roles stay as they were spelt, and are unique without regard to case. Releases
// before this one told them apart by case, and may run beside it. They wrote and read the
// name index by the exact spelling, so it stays as it is, and beside it stands an index
// of the folded names, which is made from it.
//
// The law: the index of folded names is believed only while it is current, and a name is
// only made under the condition that it is. It says how many names there were when it was
// made, and the revision of the shared definitions. Every release raises that revision with
// a deletion; whoever adds a name makes them one more, and either writes both indexes in
// one step or leaves this one behind. One that is not current is made anew by whoever
// needs it.
//
// Roles of those releases that differ by case alone stay: each is found by its own
// spelling, and every further spelling is the first of them in byte order.

//go:embed foldedstate.lua
var foldedStateLua string

//go:embed foldedread.lua
var foldedReadLua string

//go:embed foldedwrite.lua
var foldedWriteLua string

var (
	foldedReadScript  = redisdb.NewScript(redisdb.StateLua, foldedStateLua, foldedReadLua).ReadOnly()
	foldedWriteScript = redisdb.NewScript(redisdb.StateLua, layout.FullLua, foldedStateLua, foldedWriteLua)
)

const (
	foldedPage = 500         // how many names are read or written in one exchange
	foldedLife = time.Minute // of an index that is being made, since its last part
)

// Folded is the form of a name that is unique where case makes no difference.
func Folded(name string) string { return strings.ToLower(name) }

// firstID is the id that a folded name leads to: of those of several spellings the first.
func firstID(ids string) string {
	first, _, _ := strings.Cut(ids, " ")
	return first
}

// OtherwiseSpelt fills in the ids of names that nothing has as they are spelt, where the
// family's names are looked up without regard to case beside that.
func (s *Catalog) OtherwiseSpelt(ctx context.Context, ws string, f RefKind, names, ids []string) error {
	if !f.spelt {
		return nil
	}
	var at []int
	for i, id := range ids {
		if id == "" {
			at = append(at, i)
		}
	}
	for part := range slices.Chunk(at, foldedPage) {
		var args []any
		for _, i := range part {
			args = append(args, names[i], Folded(names[i]))
		}
		found, err := s.readFolded(ctx, ws, f.Kind, args)
		if err != nil {
			return err
		}
		for j, i := range part {
			ids[i] = firstID(redisdb.Text(found[j]))
		}
	}
	return nil
}

// readFolded runs foldedread.lua on an index that is current.
func (s *Catalog) readFolded(ctx context.Context, ws string, k layout.Kind, args []any) (found []any, err error) {
	names := []string{layout.UniqueName(ws, k), layout.FoldedName(ws, k), layout.RevisionName(ws, layout.SharedBucket)}
	err = Retry(func() (bool, error) {
		reply, err := s.Run(ctx, foldedReadScript, names, args...)
		if err != nil {
			return false, err
		}
		if len(reply) != 2+len(args)/2 {
			return false, redisdb.Unavailable(keys.ErrCorrupt)
		}
		if redisdb.Number(reply[1]) == 1 || len(args) > 0 && !slices.Contains(reply[2:], any("")) {
			found = reply[2:]
			return true, nil
		}
		return false, s.foldNames(ctx, ws, k, redisdb.Text(reply[0]))
	})
	return found, err
}

// foldNames waits until the index of folded names is made anew, of names that stand at
// what is given. Where they changed meanwhile it is not: the caller looks again. One process
// makes it once at a time, also when whoever asked gave up.
func (s *Catalog) foldNames(ctx context.Context, ws string, k layout.Kind, stand string) error {
	ctx, cancel := s.Bounded(ctx)
	defer cancel()
	under := s.folding.DoChan(layout.FoldedName(ws, k)+" "+stand, func() (any, error) {
		// Each step is an exchange of its own, however long the request is going on.
		ctx := context.WithValue(context.WithoutCancel(ctx), redisdb.RequestStart{}, nil)
		byFolded, err := s.foldedNames(ctx, ws, k)
		if err != nil {
			return nil, err
		}
		return nil, s.writeFolded(ctx, ws, k, stand, byFolded)
	})
	select {
	case result := <-under:
		return result.Err
	case <-ctx.Done():
		return redisdb.Unavailable(ctx.Err())
	}
}

// foldedNames reads the names of a kind: by their folded form the spellings, each with
// its id behind it.
func (s *Catalog) foldedNames(ctx context.Context, ws string, k layout.Kind) (map[string]map[string]string, error) {
	all := map[string]map[string]string{}
	for cursor, more := uint64(0), true; more; more = cursor != 0 {
		var page *redis.ScanCmd
		err := s.Pipelined(ctx, func(p redis.Pipeliner) { page = p.HScan(ctx, layout.UniqueName(ws, k), cursor, "", foldedPage) })
		if err != nil {
			return nil, err
		}
		var pairs []string
		pairs, cursor = page.Val()
		for i := 0; i+1 < len(pairs); i += 2 {
			form := Folded(pairs[i])
			if all[form] == nil {
				all[form] = map[string]string{}
			}
			all[form][pairs[i]] = pairs[i+1]
		}
	}
	return all, nil
}

// writeFolded puts a new index of folded names in the place of the old one, part by part
// unless the names change.
func (s *Catalog) writeFolded(ctx context.Context, ws string, k layout.Kind, stand string, byFolded map[string]map[string]string) error {
	made := layout.FoldedName(ws, k) + ":" + keys.NewID("new")
	names := []string{layout.UniqueName(ws, k), layout.FoldedName(ws, k), layout.RevisionName(ws, layout.SharedBucket), made}
	forms := slices.Collect(maps.Keys(byFolded))
	for first := 0; ; first += foldedPage {
		end := min(first+foldedPage, len(forms))
		args := []any{stand, redisdb.Flag(end == len(forms)), foldedLife.Milliseconds()}
		for _, form := range forms[first:end] {
			args = append(args, form, spelledIDs(byFolded[form]))
		}
		reply, err := s.Run(ctx, foldedWriteScript, names, args...)
		if err != nil || redisdb.Number(reply[0]) == 0 || end == len(forms) {
			return err
		}
	}
}

// spelledIDs joins the ids of a name's spellings, in the byte order of those.
func spelledIDs(spellings map[string]string) string {
	var ids []string
	for _, name := range slices.Sorted(maps.Keys(spellings)) {
		ids = append(ids, spellings[name])
	}
	return strings.Join(ids, " ")
}

// Alike reports of names that are there which differ from another one by case alone.
func (s *Catalog) Alike(ctx context.Context, ws string, k layout.Kind, names []string) ([]bool, error) {
	if _, err := s.readFolded(ctx, ws, k, nil); err != nil {
		return nil, err
	}
	forms := make([]string, len(names))
	for i, name := range names {
		forms[i] = Folded(name)
	}
	var ids *redis.SliceCmd
	if err := s.Pipelined(ctx, func(p redis.Pipeliner) { ids = p.HMGet(ctx, layout.FoldedName(ws, k), forms...) }); err != nil {
		return nil, err
	}
	several := make([]bool, len(names))
	for i, found := range ids.Val() {
		several[i] = strings.Contains(redisdb.Text(found), " ")
	}
	return several, nil
}
