package transfer

import (
	"context"
	"slices"
	"strconv"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/store"

	"github.com/redis/go-redis/v9"
)

// importKeys stores keys with what they have left.
func (s *Transfer) importKeys(ctx context.Context, ws string, lines []checkedRecord, done *Imported) error {
	if err := s.importableAPIs(ctx, ws, lines); err != nil {
		return err
	}
	return catalog.Retry(func() (bool, error) {
		fresh, known, tally, err := s.unknownKeys(ctx, ws, lines)
		if err != nil {
			return false, err
		}
		if err := s.WriteGroupIndexes(ctx, ws, fresh); err != nil {
			return false, err
		}
		taken, err := s.Insert(ctx, fresh)
		if err != nil {
			return false, err
		}
		if len(taken) == 0 {
			done.add(tally)
			return true, s.importUse(ctx, known)
		}
		return false, nil
	})
}

// importableAPIs refuses keys of an API that the workspace does not have.
func (s *Transfer) importableAPIs(ctx context.Context, ws string, lines []checkedRecord) error {
	all := make([]*store.Record, len(lines))
	for i, l := range lines {
		all[i] = &store.Record{Key: l.key.Key}
	}
	gone, err := s.GoneAPIs(ctx, ws, all)
	if err != nil {
		return err
	}
	for _, l := range lines {
		if api := l.key.Key.APIID; gone[api] {
			return l.bad(keys.Invalidf("stored", "is a key of API %s, which the workspace does not have", api))
		}
	}
	return nil
}

// unknownKeys returns the keys whose digest and id nobody has, and these with those
// that are there already, and counts them. An id that another workspace has is refused.
func (s *Transfer) unknownKeys(ctx context.Context, ws string, lines []checkedRecord) (fresh []*store.NewRecord, known []checkedRecord, tally Imported, err error) {
	seen, err := s.seenKeys(ctx, lines)
	if err != nil {
		return nil, nil, tally, err
	}
	var doubtful []checkedRecord
	for i, l := range lines {
		if seen[i] {
			doubtful = append(doubtful, l)
		} else {
			tally.Stored++
			fresh, known = append(fresh, l.key), append(known, l)
		}
	}
	if len(doubtful) == 0 {
		return s.unknownSecrets(ctx, ws, fresh, known, tally)
	}
	found, elsewhere, err := s.sameKeys(ctx, doubtful)
	if err != nil {
		return nil, nil, tally, err
	}
	for i, l := range doubtful {
		there, other := found[i], elsewhere[i]
		switch {
		case other != nil && other.Key.WorkspaceID != ws:
			return nil, nil, tally, l.bad(takenID("key", l.Key))
		case there != nil && there.Key.ID == l.Key && there.Key.WorkspaceID == ws:
			tally.Same++
			known = append(known, l)
		case there != nil:
			tally.leave(&l, whyDigest)
		case other != nil:
			tally.leave(&l, whyElsewhere)
		case l.deleted:
			tally.leave(&l, whyDeleted)
		default: // only an entry, which leads nowhere
			tally.Stored++
			fresh, known = append(fresh, l.key), append(known, l)
		}
	}
	return s.unknownSecrets(ctx, ws, fresh, known, tally)
}

// unknownSecrets leaves those keys out of which a later secret has an id or a place that is
// taken. An id that another workspace has is refused.
func (s *Transfer) unknownSecrets(ctx context.Context, ws string, fresh []*store.NewRecord, known []checkedRecord, tally Imported) ([]*store.NewRecord, []checkedRecord, Imported, error) {
	var ids []string
	var own []layout.Place
	var of []*store.NewRecord
	for _, m := range fresh {
		for _, k := range store.WithPointers(m.Key.AllSecrets()) {
			ids, own, of = append(ids, k.ID), append(own, layout.PlaceOf(k.Digest)), append(of, m)
		}
	}
	if len(ids) == 0 {
		return fresh, known, tally, nil
	}
	elsewhere, err := s.LoadAll(ctx, ids)
	if err != nil {
		return nil, nil, tally, err
	}
	there, err := s.LoadPlaces(ctx, own)
	if err != nil {
		return nil, nil, tally, err
	}
	taken := map[*store.NewRecord]bool{}
	for i, m := range of {
		if elsewhere[i] != nil && elsewhere[i].Key.WorkspaceID != ws {
			at := slices.IndexFunc(known, func(l checkedRecord) bool { return l.key == m })
			return nil, nil, tally, known[at].bad(takenID("key", ids[i]))
		}
		mine := there[i] == nil || there[i].Key.Target != nil && *there[i].Key.Target == m.Key.Digest && there[i].Key.ID == ids[i]
		if elsewhere[i] != nil || !mine {
			taken[m] = true
		}
	}
	tally.Stored, tally.Different = tally.Stored-int64(len(taken)), tally.Different+int64(len(taken))
	fresh = slices.DeleteFunc(fresh, func(m *store.NewRecord) bool { return taken[m] })
	known = slices.DeleteFunc(known, func(l checkedRecord) bool { return taken[l.key] })
	return fresh, known, tally, nil
}

// seenKeys tells of which keys anything is there: a record, a tombstone, or an entry. On
// one Redis it asks for all of them at once first: mostly there is nothing.
func (s *Transfer) seenKeys(ctx context.Context, lines []checkedRecord) ([]bool, error) {
	seen := make([]bool, len(lines))
	if !s.Cluster() {
		var names []string
		for _, l := range lines {
			at := layout.PlaceOf(l.key.Key.Digest)
			names = append(names, at.Record(), at.Tombstone(), layout.IndexName(l.Key))
		}
		var there *redis.IntCmd
		if err := s.Pipelined(ctx, func(p redis.Pipeliner) { there = p.Exists(ctx, names...) }); err != nil || there.Val() == 0 {
			return seen, err
		}
	}
	records, tombstones, entries := make([]*redis.IntCmd, len(lines)), make([]*redis.IntCmd, len(lines)), make([]*redis.IntCmd, len(lines))
	err := s.Pipelined(ctx, func(p redis.Pipeliner) {
		for i, l := range lines {
			at := layout.PlaceOf(l.key.Key.Digest)
			records[i], tombstones[i] = p.Exists(ctx, at.Record()), p.Exists(ctx, at.Tombstone())
			entries[i] = p.Exists(ctx, layout.IndexName(l.Key))
		}
	})
	for i := range lines {
		lines[i].deleted = tombstones[i].Val() > 0
		seen[i] = lines[i].deleted || records[i].Val() > 0 || entries[i].Val() > 0
	}
	return seen, err
}

// sameKeys returns what is where the keys would be, and what their ids lead to elsewhere. It
// notes of a line when that is a tombstone.
func (s *Transfer) sameKeys(ctx context.Context, lines []checkedRecord) (found, elsewhere []*store.Record, err error) {
	ids, places := make([]string, len(lines)), make([]layout.Place, len(lines))
	for i, l := range lines {
		ids[i], places[i] = l.Key, layout.PlaceOf(l.key.Key.Digest)
	}
	at, err := s.Places(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	for i := range at {
		if at[i] == places[i] {
			at[i] = layout.Place{}
		}
	}
	if found, err = s.LoadPlaces(ctx, places); err != nil {
		return nil, nil, err
	}
	if elsewhere, err = s.LoadPlaces(ctx, at); err != nil {
		return nil, nil, err
	}
	tombstones, err := s.TombstonesAt(ctx, at)
	for i, other := range elsewhere {
		if other != nil && other.Key.ID != ids[i] {
			elsewhere[i] = nil
		}
		if err == nil && tombstones[i] != nil && tombstones[i].ID == ids[i] {
			lines[i].deleted = true
		}
	}
	return found, elsewhere, err
}

// importUse stores when keys were last used, where they were not used since.
func (s *Transfer) importUse(ctx context.Context, lines []checkedRecord) error {
	used := map[layout.Place]int64{}
	for _, l := range lines {
		if len(l.Used) > 0 {
			used[layout.PlaceOf(l.key.Key.Digest)], _ = strconv.ParseInt(string(l.Used), 10, 64) // was checked
		}
		for i, ms := range l.Uses {
			used[layout.PlaceOf(l.key.Key.Secrets[1+i].Digest)] = ms
		}
	}
	return s.NoteUses(ctx, used)
}
