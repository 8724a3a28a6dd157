package store

import (
	"context"
	"slices"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/ratelimit"

	"github.com/redis/go-redis/v9"
)

// NewRecord is a key about to be stored.
type NewRecord struct {
	Key     *keys.Key
	Balance int64
	State   *keys.State // what a key that is moved or copied has left; nil for a new one
	Moved   bool        // its id is not new: what leads to it may lead to what is there already
}

// listed are the secrets to which entries have to lead: of a record all, otherwise the one
// that the key is seen as.
func (m *NewRecord) listed() []*keys.Key {
	if m.Key.AsStored() != nil {
		return []*keys.Key{m.Key}
	}
	return m.Key.BySecret()
}

// named is leading with a first secret that was deleted: by its id what is counted for the key
// finds it.
func (m *NewRecord) named() []*keys.Key {
	if m.Key.AsStored() != nil {
		return []*keys.Key{m.Key}
	}
	return m.Key.AllSecrets()
}

// Insert stores keys, at most MaxImport, all or none: what leads to them first, so
// that a crash in between leaves only entries that lead nowhere, and last the
// records, which make them verify. It returns the places in made of those whose
// digest is taken; then none is stored.
func (s *Records) Insert(ctx context.Context, made []*NewRecord) ([]int, error) {
	if len(made) == 0 {
		return nil, nil
	}
	if err := audit.Intend(ctx, false, func() []audit.Changed { return inserted(made) }); err != nil {
		return nil, err
	}
	if err := s.writeIndex(ctx, made); err != nil {
		return nil, err
	}
	if taken, err := s.writeAllPointers(ctx, made); err != nil || len(taken) > 0 {
		return taken, err
	}
	groups := s.groupByShard(made)
	all := make([]redisdb.Invocation, len(groups))
	for i, group := range groups {
		all[i] = insertion(made, group)
	}
	replies, err := s.RunAll(ctx, insertScript, all)
	if err != nil {
		return nil, err
	}
	var taken []int
	for i, reply := range replies {
		for _, n := range reply[1:] {
			taken = append(taken, groups[i][redisdb.Number(n)-1])
		}
	}
	if len(taken) > 0 {
		s.undoInsert(ctx, made, groups, replies)
	}
	slices.Sort(taken)
	return taken, nil
}

// inserted is what the audit log says of keys that are stored.
func inserted(made []*NewRecord) (all []audit.Changed) {
	for _, m := range made[:min(len(made), audit.MaxResources+1)] { // one more says that there are more
		all = append(all, audit.KeyChanged(nil, m.Key, audit.Left{After: &m.Balance})...)
	}
	return all
}

// writeAllPointers stores the pointers to rerolled keys, which only an import inserts. It returns the
// places in made of those of which one is taken.
func (s *Records) writeAllPointers(ctx context.Context, made []*NewRecord) (taken []int, err error) {
	var later []*keys.Key
	for _, m := range made {
		if len(m.Key.Secrets) > 0 && m.Key.AsStored() == nil {
			later = append(later, m.Key.AllSecrets()...)
		}
	}
	some, err := s.writePointers(ctx, later...)
	for i, m := range made {
		if slices.ContainsFunc(some, func(k *keys.Key) bool { return k.AsStored() == m.Key }) {
			taken = append(taken, i)
		}
	}
	return taken, err
}

// InsertOne is insert for one key; a digest that is taken is KindConflict.
func (s *Records) InsertOne(ctx context.Context, made *NewRecord) error {
	taken, err := s.Insert(ctx, []*NewRecord{made})
	if err == nil && len(taken) > 0 {
		return errTaken
	}
	return err
}

var errTaken = keys.Errorf(keys.KindConflict, "key", "a key with this hash exists already")

// writeIndex writes what leads to the keys.
func (s *Records) writeIndex(ctx context.Context, made []*NewRecord) error {
	lists := map[string][]redis.Z{}
	for _, m := range made {
		for _, k := range m.listed() {
			for _, list := range listsOf(k) {
				lists[list] = append(lists[list], redis.Z{Member: layout.EntryOf(k)})
			}
		}
	}
	return s.Pipelined(ctx, func(p redis.Pipeliner) {
		s.writeIDs(ctx, p, made)
		for list, ids := range lists {
			p.ZAdd(ctx, list, ids...)
		}
	})
}

// writeIDs writes where keys are, by their ids; on one Redis in one command.
func (s *Records) writeIDs(ctx context.Context, p redis.Pipeliner, made []*NewRecord) {
	pairs := make([]any, 0, 2*len(made))
	for _, m := range made {
		for _, k := range m.named() {
			name, at := layout.IndexName(k.ID), layout.KeyPlace(k).Text
			if s.Cluster() {
				p.Set(ctx, name, at, 0)
			}
			pairs = append(pairs, name, at)
		}
	}
	if !s.Cluster() && len(pairs) > 0 {
		p.MSet(ctx, pairs...)
	}
}

// groupByShard groups keys, by their places in made, that one script can store: all of
// them, or on a Cluster those of one shard.
func (s *Records) groupByShard(made []*NewRecord) [][]int {
	var groups [][]int
	group := map[string]int{}
	for i, m := range made {
		shard := ""
		if s.Cluster() {
			shard = layout.PlaceOf(m.Key.Digest).Shard()
		}
		at, ok := group[shard]
		if !ok {
			at = len(groups)
			group[shard] = at
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], i)
	}
	return groups
}

// insertion is the script call for the keys of a group.
func insertion(made []*NewRecord, group []int) redisdb.Invocation {
	one := redisdb.Invocation{Names: make([]string, 0, 2*len(group)), Args: make([]any, 0, len(group))}
	for _, i := range group {
		at := layout.PlaceOf(made[i].Key.Digest)
		one.Names = append(one.Names, at.Record(), at.Tombstone())
		one.Args = append(one.Args, made[i].text())
	}
	return one
}

// text is what is stored behind the revision.
func (m *NewRecord) text() []byte {
	k := m.Key
	state := keys.State{Windows: make([]ratelimit.Window, len(k.Limits))}
	switch {
	case m.State != nil:
		state = *m.State
	case k.Refill != nil:
		state.NextRefill = k.Refill.Next(k.CreatedAt)
	}
	if k.Refill == nil {
		state.NextRefill = 0
	}
	b := make([]byte, 0, 256)
	b = append(layout.AppendU56(layout.AppendU56(b, m.Balance), state.NextRefill), byte(len(k.Limits)))
	return append(layout.AppendWindows(b, state.Windows), layout.Encode(k)...)
}

// undoInsert takes away what was stored of keys of which one was taken. Where that
// fails what is left is listed and verifies: its owner was told of an error.
func (s *Records) undoInsert(ctx context.Context, made []*NewRecord, groups [][]int, replies [][]any) {
	var deletions []redisdb.Invocation
	for g, reply := range replies {
		for _, i := range groups[g] {
			if reply[0] != nil {
				deletions = append(deletions, removal(layout.PlaceOf(made[i].Key.Digest), made[i].Key.ID, layout.Revision(redisdb.Text(reply[0]))))
			}
		}
	}
	_, _ = s.RunAll(ctx, deleteScript, deletions)
	var gone []*keys.Key
	for _, m := range made {
		if !m.Moved {
			gone = append(gone, m.Key)
		}
	}
	s.RemoveIndexEntries(ctx, gone...)
}
