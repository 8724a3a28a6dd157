package keys

import (
	"context"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// importKeys stores keys with what they have left.
func (s *TransferStore) importKeys(ctx context.Context, ws string, lines []checkedRecord, done *Imported) error {
	if err := s.importableAPIs(ctx, ws, lines); err != nil {
		return err
	}
	for range tries {
		fresh, known, tally, err := s.unknownKeys(ctx, ws, lines)
		if err != nil {
			return err
		}
		if err := s.writeGroupIndexes(ctx, ws, fresh); err != nil {
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
func (s *TransferStore) importableAPIs(ctx context.Context, ws string, lines []checkedRecord) error {
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

// unknownKeys returns the keys whose digest and id nobody has, and these with those
// that are there already, and counts them. An id that another workspace has is refused.
func (s *TransferStore) unknownKeys(ctx context.Context, ws string, lines []checkedRecord) (fresh []*newKey, known []checkedRecord, tally Imported, err error) {
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
		case other != nil && other.key.WorkspaceID != ws:
			return nil, nil, tally, l.bad(takenID("key", l.Key))
		case there != nil && there.key.ID == l.Key && there.key.WorkspaceID == ws:
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
func (s *TransferStore) unknownSecrets(ctx context.Context, ws string, fresh []*newKey, known []checkedRecord, tally Imported) ([]*newKey, []checkedRecord, Imported, error) {
	var ids []string
	var own []place
	var of []*newKey
	for _, m := range fresh {
		for _, k := range withPointers(m.key.allSecrets()) {
			ids, own, of = append(ids, k.ID), append(own, k.Digest.place()), append(of, m)
		}
	}
	if len(ids) == 0 {
		return fresh, known, tally, nil
	}
	elsewhere, err := s.loadAll(ctx, ids)
	if err != nil {
		return nil, nil, tally, err
	}
	there, err := s.loadPlaces(ctx, own)
	if err != nil {
		return nil, nil, tally, err
	}
	taken := map[*newKey]bool{}
	for i, m := range of {
		if elsewhere[i] != nil && elsewhere[i].key.WorkspaceID != ws {
			at := slices.IndexFunc(known, func(l checkedRecord) bool { return l.key == m })
			return nil, nil, tally, known[at].bad(takenID("key", ids[i]))
		}
		mine := there[i] == nil || there[i].key.Target != nil && *there[i].key.Target == m.key.Digest && there[i].key.ID == ids[i]
		if elsewhere[i] != nil || !mine {
			taken[m] = true
		}
	}
	tally.Stored, tally.Different = tally.Stored-int64(len(taken)), tally.Different+int64(len(taken))
	fresh = slices.DeleteFunc(fresh, func(m *newKey) bool { return taken[m] })
	known = slices.DeleteFunc(known, func(l checkedRecord) bool { return taken[l.key] })
	return fresh, known, tally, nil
}

// seenKeys tells of which keys anything is there: a record, a tombstone, or an entry. On
// one Redis it asks for all of them at once first: mostly there is nothing.
func (s *TransferStore) seenKeys(ctx context.Context, lines []checkedRecord) ([]bool, error) {
	seen := make([]bool, len(lines))
	if !s.cluster {
		var names []string
		for _, l := range lines {
			at := l.key.key.Digest.place()
			names = append(names, at.record(), at.tombstone(), indexName(l.Key))
		}
		var there *redis.IntCmd
		if err := s.pipelined(ctx, func(p redis.Pipeliner) { there = p.Exists(ctx, names...) }); err != nil || there.Val() == 0 {
			return seen, err
		}
	}
	records, tombstones, entries := make([]*redis.IntCmd, len(lines)), make([]*redis.IntCmd, len(lines)), make([]*redis.IntCmd, len(lines))
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, l := range lines {
			at := l.key.key.Digest.place()
			records[i], tombstones[i] = p.Exists(ctx, at.record()), p.Exists(ctx, at.tombstone())
			entries[i] = p.Exists(ctx, indexName(l.Key))
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
func (s *TransferStore) sameKeys(ctx context.Context, lines []checkedRecord) (found, elsewhere []*stored, err error) {
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
	tombstones, err := s.tombstonesAt(ctx, at)
	for i, other := range elsewhere {
		if other != nil && other.key.ID != ids[i] {
			elsewhere[i] = nil
		}
		if err == nil && tombstones[i] != nil && tombstones[i].ID == ids[i] {
			lines[i].deleted = true
		}
	}
	return found, elsewhere, err
}

// writeGroupIndexes notes in groups which setup keys may refer to them.
func (s *SetupStore) writeGroupIndexes(ctx context.Context, ws string, made []*newKey) error {
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
func (s *TransferStore) importUse(ctx context.Context, lines []checkedRecord) error {
	used := map[place]int64{}
	for _, l := range lines {
		if len(l.Used) > 0 {
			used[l.key.key.Digest.place()], _ = strconv.ParseInt(string(l.Used), 10, 64) // was checked
		}
		for i, ms := range l.Uses {
			used[l.key.key.Secrets[1+i].Digest.place()] = ms
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
