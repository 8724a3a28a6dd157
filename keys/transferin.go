package keys

import (
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// Imported counts what became of the lines of an import.
type Imported struct {
	Stored    int64
	Same      int64 // what was there already
	Different int64 // what was there with another content, and was left as it is
}

// Adopt makes a workspace with an id it had elsewhere, under a name. KindConflict
// where the name is another workspace's.
func (s *Store) Adopt(ctx context.Context, name, id string) error {
	if name == "" || len(name) > 64 {
		return Invalidf("workspace", "the name has 1 to 64 characters")
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

// Import stores lines of an export of a workspace, at most MaxImport of them. What
// is there already is never changed, so that an import can be repeated.
func (s *Store) Import(ctx context.Context, ws string, lines []Line) (done Imported, err error) {
	byNoun, names := map[noun][]Line{}, map[noun][]Line{}
	var found, counters []Line
	for _, l := range lines {
		switch {
		case l.Key != "":
			found = append(found, l)
		case l.Counter != "":
			counters = append(counters, l)
		case l.Noun != "" && !slices.Contains(nouns, noun(l.Noun)):
			return done, Invalidf("noun", "this version does not know %q", l.Noun)
		case l.Noun != "" && l.Name != "":
			names[noun(l.Noun)] = append(names[noun(l.Noun)], l)
		case l.Noun != "":
			byNoun[noun(l.Noun)] = append(byNoun[noun(l.Noun)], l)
		}
	}
	for k, all := range byNoun {
		if err = s.importDefinitions(ctx, ws, k, all, &done); err != nil {
			return done, err
		}
	}
	for k, all := range names {
		if err = s.importNames(ctx, ws, k, all, &done); err != nil {
			return done, err
		}
	}
	if err = s.importCounters(ctx, counters, &done); err != nil {
		return done, err
	}
	return done, s.importKeys(ctx, ws, found, &done)
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

func (s *Store) importDefinitions(ctx context.Context, ws string, k noun, lines []Line, done *Imported) error {
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

func (s *Store) importNames(ctx context.Context, ws string, k noun, lines []Line, done *Imported) error {
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

// importCounters stores the counts of shared limits where none has begun yet.
func (s *Store) importCounters(ctx context.Context, lines []Line, done *Imported) error {
	if len(lines) == 0 {
		return nil
	}
	stored := make([]*redis.BoolCmd, len(lines))
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, l := range lines {
			stored[i] = p.SetNX(ctx, l.Counter, l.Stored, time.Duration(l.TTL)*time.Millisecond)
		}
	})
	for _, cmd := range stored {
		if cmd.Val() {
			done.Stored++
		} else {
			done.Same++
		}
	}
	return err
}

// importKeys stores keys with what they have left.
func (s *Store) importKeys(ctx context.Context, ws string, lines []Line, done *Imported) error {
	made := make([]*newKey, len(lines))
	for i, l := range lines {
		k, state, _, err := DecodeKey(string(l.Stored))
		if err != nil || k.ID != l.Key || k.WorkspaceID != ws {
			return Invalidf("key", "the line of key %s does not hold a key of the workspace", l.Key)
		}
		made[i] = &newKey{key: k, balance: state.Balance, state: &state, moved: true}
	}
	for range tries {
		fresh, tally, err := s.unknownKeys(ctx, made)
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
			return s.importUse(ctx, lines, made)
		}
	}
	return Unavailable(errBusy)
}

// unknownKeys gives the keys whose digest nobody has, and counts the others.
func (s *Store) unknownKeys(ctx context.Context, made []*newKey) (fresh []*newKey, tally Imported, err error) {
	records, graves := make([]*redis.StringCmd, len(made)), make([]*redis.IntCmd, len(made))
	if len(made) == 0 {
		return nil, tally, nil
	}
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, m := range made {
			at := m.key.Digest.place()
			records[i], graves[i] = p.Get(ctx, at.record()), p.Exists(ctx, at.grave())
		}
	})
	if err != nil {
		return nil, tally, err
	}
	for i, m := range made {
		stored := records[i].Val()
		if stored == "" && graves[i].Val() == 0 {
			tally.Stored++
			fresh = append(fresh, m)
			continue
		}
		there, _, _, err := DecodeKey(stored)
		if stored != "" && err == nil && there.ID == m.key.ID {
			tally.Same++
		} else {
			tally.Different++
		}
	}
	return fresh, tally, nil
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
func (s *Store) importUse(ctx context.Context, lines []Line, made []*newKey) error {
	if !slices.ContainsFunc(lines, func(l Line) bool { return len(l.Used) > 0 }) {
		return nil
	}
	return s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, l := range lines {
			if len(l.Used) > 0 {
				p.SetNX(ctx, made[i].key.Digest.place().lastUsed(), l.Used, 0)
			}
		}
	})
}

func orError(err error, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
