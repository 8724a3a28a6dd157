package keys

import (
	"context"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// Imported counts what became of the lines of an import.
type Imported struct {
	Stored    int64
	Same      int64 // what was there already
	Different int64 // what was there with another content, and was left as it is
}

// Adopt makes a workspace with an id it had elsewhere, under a name. KindConflict
// where the name is another workspace's, or the id has another name.
func (s *Store) Adopt(ctx context.Context, name, id string) error {
	if name == "" || len(name) > 64 {
		return Invalidf("workspace", "the name has 1 to 64 characters")
	}
	if !workspaceIDs.MatchString(id) {
		return Invalidf("workspace", "the file's is no workspace's id")
	}
	switch known, err := s.nameOf(ctx, id); {
	case err != nil:
		return err
	case known != "" && known != name:
		return Errorf(KindConflict, "workspace", "the store has the workspace of this file already, under the name %s: import into that one", known)
	}
	if err := s.pipelined(ctx, func(p redis.Pipeliner) { p.HSetNX(ctx, workspacesName, name, id) }); err != nil {
		return err
	}
	there, err := s.FindWorkspace(ctx, name)
	if err == nil && there != id {
		err = Errorf(KindConflict, "workspace", "the store has another workspace called %s: give this one another name", name)
	}
	return err
}

// nameOf looks for the name of a workspace; "" where the store has none of the id.
func (s *Store) nameOf(ctx context.Context, id string) (string, error) {
	for cursor := uint64(0); ; {
		var page *redis.ScanCmd
		if err := s.pipelined(ctx, func(p redis.Pipeliner) {
			page = p.HScan(ctx, workspacesName, cursor, "", transferPage)
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
// can't be it is a *BadLine.
func (s *Store) Import(ctx context.Context, ws string, lines []Line) (done Imported, err error) {
	all, err := checkLines(ws, lines)
	if err != nil {
		return done, err
	}
	byNoun, names := map[noun][]checkedLine{}, map[noun][]checkedLine{}
	var found, peers, usage, counters, graves []checkedLine
	for _, l := range all {
		switch {
		case l.Key != "":
			found = append(found, l)
		case l.Redeemed != "":
			peers = append(peers, l)
		case l.Usage != "":
			usage = append(usage, l)
		case l.Counter != "":
			counters = append(counters, l)
		case l.Buried != "":
			graves = append(graves, l)
		case l.Noun != "" && l.Name != "":
			names[noun(l.Noun)] = append(names[noun(l.Noun)], l)
		case l.Noun != "":
			byNoun[noun(l.Noun)] = append(byNoun[noun(l.Noun)], l)
		}
	}
	for k, some := range byNoun {
		if err = s.importDefinitions(ctx, ws, k, some, &done); err != nil {
			return done, err
		}
	}
	for k, some := range names {
		if err = s.importNames(ctx, ws, k, some, &done); err != nil {
			return done, err
		}
	}
	for _, one := range []struct {
		lines []checkedLine
		store func(context.Context, string, []checkedLine, *Imported) error
	}{{found, s.importKeys}, {peers, s.importRedeemed}, {usage, s.importUsage}, {counters, s.importCounters}, {graves, s.importGraves}} {
		if len(one.lines) == 0 {
			continue
		}
		if err = one.store(ctx, ws, one.lines, &done); err != nil {
			return done, err
		}
	}
	return done, nil
}

// FinishImport makes every gateway read definitions that it may have looked for
// before they were there.
func (s *Store) FinishImport(ctx context.Context, ws string) error {
	c := newChange(ws)
	for _, b := range allBuckets() {
		c.raise(b)
	}
	_, _, err := s.apply(ctx, c)
	return err
}

func (s *Store) importDefinitions(ctx context.Context, ws string, k noun, lines []checkedLine, done *Imported) error {
	ids := make([]string, len(lines))
	for i, l := range lines {
		ids[i] = l.ID
		if k != nounAPI {
			continue
		}
		if busy, err := s.Sweeping(ctx, ws, l.ID); err != nil || busy {
			return orError(err, Errorf(KindPrecondition, "api", "api %s was deleted and is still being removed: import again in some minutes", l.ID))
		}
	}
	for range tries {
		there, err := s.definitionTexts(ctx, ws, k, ids)
		if err != nil {
			return err
		}
		c, tally := newChange(ws), Imported{}
		for i, l := range lines {
			switch there[i] {
			case "":
				tally.Stored++
				c.unchanged(k, l.ID, "")
				c.put(k, l.ID, string(l.Stored))
				if l.ID != setupAPIID(ws) {
					c.list(k, l.ID)
				}
			case string(l.Stored):
				tally.Same++
			default:
				tally.Different++
			}
		}
		if made, err := s.importChange(ctx, c, tally, done); made || err != nil {
			return err
		}
	}
	return Unavailable(errBusy)
}

func (s *Store) importNames(ctx context.Context, ws string, k noun, lines []checkedLine, done *Imported) error {
	names := make([]string, len(lines))
	for i, l := range lines {
		names[i] = l.Name
	}
	for range tries {
		var ids *redis.SliceCmd
		if err := s.pipelined(ctx, func(p redis.Pipeliner) { ids = p.HMGet(ctx, uniqueName(ws, k), names...) }); err != nil {
			return err
		}
		c, tally := newChange(ws), Imported{}
		for i, l := range lines {
			switch text(ids.Val()[i]) {
			case "":
				tally.Stored++
				c.claim(k, l.Name, l.ID)
			case l.ID:
				tally.Same++
			default:
				tally.Different++
			}
		}
		if made, err := s.importChange(ctx, c, tally, done); made || err != nil {
			return err
		}
	}
	return Unavailable(errBusy)
}

// importChange makes a change; false where somebody else was quicker.
func (s *Store) importChange(ctx context.Context, c *change, tally Imported, done *Imported) (bool, error) {
	if len(c.args) > 0 {
		failed, _, err := s.apply(ctx, c)
		if err != nil || failed != 0 {
			return false, err
		}
	}
	done.add(tally)
	return true, nil
}

func (i *Imported) add(other Imported) {
	i.Stored, i.Same, i.Different = i.Stored+other.Stored, i.Same+other.Same, i.Different+other.Different
}

// importKeys stores keys with what they have left.
func (s *Store) importKeys(ctx context.Context, ws string, lines []checkedLine, done *Imported) error {
	if err := s.importableAPIs(ctx, ws, lines); err != nil {
		return err
	}
	for range tries {
		fresh, known, tally, err := s.unknownKeys(ctx, ws, lines)
		if err != nil {
			return err
		}
		if err := s.leadGroups(ctx, ws, fresh); err != nil {
			return err
		}
		taken, err := s.insert(ctx, fresh)
		if err != nil {
			return err
		}
		if len(taken) == 0 {
			done.add(tally)
			return s.importUse(ctx, known)
		}
	}
	return Unavailable(errBusy)
}

// importableAPIs refuses keys of an API that the workspace does not have.
func (s *Store) importableAPIs(ctx context.Context, ws string, lines []checkedLine) error {
	all := make([]*stored, len(lines))
	for i, l := range lines {
		all[i] = &stored{key: l.key.key}
	}
	gone, err := s.goneAPIs(ctx, ws, all)
	if err != nil {
		return err
	}
	for _, l := range lines {
		if api := l.key.key.APIID; gone[api] {
			return l.bad(Invalidf("stored", "is a key of API %s, which the workspace does not have", api))
		}
	}
	return nil
}

// unknownKeys gives the keys whose digest and id nobody has, and these with those
// that are there already, and counts them. An id that another workspace has is refused.
func (s *Store) unknownKeys(ctx context.Context, ws string, lines []checkedLine) (fresh []*newKey, known []checkedLine, tally Imported, err error) {
	seen, err := s.seenKeys(ctx, lines)
	if err != nil {
		return nil, nil, tally, err
	}
	var doubtful []checkedLine
	for i, l := range lines {
		if seen[i] {
			doubtful = append(doubtful, l)
		} else {
			tally.Stored++
			fresh, known = append(fresh, l.key), append(known, l)
		}
	}
	if len(doubtful) == 0 {
		return fresh, known, tally, nil
	}
	found, elsewhere, err := s.sameKeys(ctx, doubtful)
	if err != nil {
		return nil, nil, tally, err
	}
	for i, l := range doubtful {
		there, other := found[i], elsewhere[i]
		switch {
		case other != nil && other.key.WorkspaceID != ws:
			return nil, nil, tally, l.bad(taken("key", l.Key))
		case there != nil && there.key.ID == l.Key && there.key.WorkspaceID == ws:
			tally.Same++
			known = append(known, l)
		case there != nil || other != nil || l.grave:
			tally.Different++
		default: // only an entry, which leads nowhere
			tally.Stored++
			fresh, known = append(fresh, l.key), append(known, l)
		}
	}
	return fresh, known, tally, nil
}

// seenKeys tells of which keys anything is there: a record, a grave, or an entry. On
// one Redis it asks for all of them at once first: mostly there is nothing.
func (s *Store) seenKeys(ctx context.Context, lines []checkedLine) ([]bool, error) {
	seen := make([]bool, len(lines))
	if !s.cluster {
		var names []string
		for _, l := range lines {
			at := l.key.key.Digest.place()
			names = append(names, at.record(), at.grave(), indexName(l.Key))
		}
		var there *redis.IntCmd
		if err := s.pipelined(ctx, func(p redis.Pipeliner) { there = p.Exists(ctx, names...) }); err != nil || there.Val() == 0 {
			return seen, err
		}
	}
	records, graves, entries := make([]*redis.IntCmd, len(lines)), make([]*redis.IntCmd, len(lines)), make([]*redis.IntCmd, len(lines))
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, l := range lines {
			at := l.key.key.Digest.place()
			records[i], graves[i] = p.Exists(ctx, at.record()), p.Exists(ctx, at.grave())
			entries[i] = p.Exists(ctx, indexName(l.Key))
		}
	})
	for i := range lines {
		lines[i].grave = graves[i].Val() > 0
		seen[i] = lines[i].grave || records[i].Val() > 0 || entries[i].Val() > 0
	}
	return seen, err
}

// sameKeys gives what is where the keys would be, and what their ids lead to elsewhere.
func (s *Store) sameKeys(ctx context.Context, lines []checkedLine) (found, elsewhere []*stored, err error) {
	ids, places := make([]string, len(lines)), make([]place, len(lines))
	for i, l := range lines {
		ids[i], places[i] = l.Key, l.key.key.Digest.place()
	}
	at, err := s.places(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	for i := range at {
		if at[i] == places[i] {
			at[i] = place{}
		}
	}
	if found, err = s.loadPlaces(ctx, places); err != nil {
		return nil, nil, err
	}
	if elsewhere, err = s.loadPlaces(ctx, at); err != nil {
		return nil, nil, err
	}
	for i, other := range elsewhere {
		if other != nil && other.key.ID != ids[i] {
			elsewhere[i] = nil
		}
	}
	return found, elsewhere, nil
}

// leadGroups notes in groups which setup keys may refer to them.
func (s *Store) leadGroups(ctx context.Context, ws string, made []*newKey) error {
	var setup []*Key
	for _, m := range made {
		if m.key.Setup != nil && len(m.key.Setup.Groups) > 0 {
			setup = append(setup, m.key)
		}
	}
	if len(setup) == 0 {
		return nil
	}
	return s.pipelined(ctx, func(p redis.Pipeliner) {
		for _, k := range setup {
			for _, group := range k.Setup.Groups {
				p.ZAdd(ctx, groupKeysName(ws, group), redis.Z{Member: k.ID})
			}
		}
	})
}

// importUse stores when keys were last used, where they were not used since.
func (s *Store) importUse(ctx context.Context, lines []checkedLine) error {
	used := map[place]int64{}
	for _, l := range lines {
		if len(l.Used) > 0 {
			used[l.key.key.Digest.place()], _ = strconv.ParseInt(string(l.Used), 10, 64) // was checked
		}
	}
	_, err := s.runAll(ctx, lastUsedScript, s.useRuns(used))
	return err
}

func orError(err error, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
