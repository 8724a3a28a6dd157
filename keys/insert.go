package keys

import (
	"context"
	"slices"

	"tollgate/ratelimit"

	"github.com/redis/go-redis/v9"
)

// newKey is a key about to be stored.
type newKey struct {
	key     *Key
	balance int64
	state   *State // what a key that is moved or copied has left; nil for a new one
	moved   bool   // its id is not new: what leads to it may lead to what is there already
}

// listed are the secrets to which entries have to lead: of a record all, otherwise the one
// that the key is seen as.
func (m *newKey) listed() []*Key {
	if m.key.record != nil {
		return []*Key{m.key}
	}
	return m.key.BySecret()
}

// named is leading with a first secret that was deleted: by its id what is counted for the key
// finds it.
func (m *newKey) named() []*Key {
	if m.key.record != nil {
		return []*Key{m.key}
	}
	return m.key.allSecrets()
}

// insert stores keys, at most MaxImport, all or none: what leads to them first, so
// that a crash in between leaves only entries that lead nowhere, and last the
// records, which make them verify. It returns the places in made of those whose
// digest is taken; then none is stored.
func (s *Store) insert(ctx context.Context, made []*newKey) ([]int, error) {
	if len(made) == 0 {
		return nil, nil
	}
	if err := s.writeIndex(ctx, made); err != nil {
		return nil, err
	}
	if taken, err := s.writeAllPointers(ctx, made); err != nil || len(taken) > 0 {
		return taken, err
	}
	groups := s.groupByShard(made)
	all := make([]invocation, len(groups))
	for i, group := range groups {
		all[i] = insertion(made, group)
	}
	replies, err := s.runAll(ctx, insertScript, all)
	if err != nil {
		return nil, err
	}
	var taken []int
	for i, reply := range replies {
		for _, n := range reply[1:] {
			taken = append(taken, groups[i][number(n)-1])
		}
	}
	if len(taken) > 0 {
		s.undoInsert(ctx, made, groups, replies)
	}
	slices.Sort(taken)
	return taken, nil
}

// writeAllPointers stores the pointers to rerolled keys, which only an import inserts. It returns the
// places in made of those of which one is taken.
func (s *Store) writeAllPointers(ctx context.Context, made []*newKey) (taken []int, err error) {
	var later []*Key
	for _, m := range made {
		if len(m.key.Secrets) > 0 && m.key.record == nil {
			later = append(later, m.key.allSecrets()...)
		}
	}
	some, err := s.writePointers(ctx, later...)
	for i, m := range made {
		if slices.ContainsFunc(some, func(k *Key) bool { return k.record == m.key }) {
			taken = append(taken, i)
		}
	}
	return taken, err
}

// insertOne is insert for one key; a digest that is taken is KindConflict.
func (s *Store) insertOne(ctx context.Context, made *newKey) error {
	taken, err := s.insert(ctx, []*newKey{made})
	if err == nil && len(taken) > 0 {
		return errTaken
	}
	return err
}

var errTaken = Errorf(KindConflict, "key", "a key with this hash exists already")

// writeIndex writes what leads to the keys.
func (s *Store) writeIndex(ctx context.Context, made []*newKey) error {
	lists := map[string][]redis.Z{}
	for _, m := range made {
		for _, k := range m.listed() {
			for _, list := range listsOf(k) {
				lists[list] = append(lists[list], redis.Z{Member: entryOf(k)})
			}
		}
	}
	return s.pipelined(ctx, func(p redis.Pipeliner) {
		s.writeIDs(ctx, p, made)
		for list, ids := range lists {
			p.ZAdd(ctx, list, ids...)
		}
	})
}

// writeIDs writes where keys are, by their ids; on one Redis in one command.
func (s *Store) writeIDs(ctx context.Context, p redis.Pipeliner, made []*newKey) {
	pairs := make([]any, 0, 2*len(made))
	for _, m := range made {
		for _, k := range m.named() {
			name, at := indexName(k.ID), k.place().text
			if s.cluster {
				p.Set(ctx, name, at, 0)
			}
			pairs = append(pairs, name, at)
		}
	}
	if !s.cluster && len(pairs) > 0 {
		p.MSet(ctx, pairs...)
	}
}

// groupByShard groups keys, by their places in made, that one script can store: all of
// them, or on a Cluster those of one shard.
func (s *Store) groupByShard(made []*newKey) [][]int {
	var groups [][]int
	group := map[string]int{}
	for i, m := range made {
		shard := ""
		if s.cluster {
			shard = m.key.Digest.place().shard()
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
func insertion(made []*newKey, group []int) invocation {
	one := invocation{names: make([]string, 0, 2*len(group)), args: make([]any, 0, len(group))}
	for _, i := range group {
		at := made[i].key.Digest.place()
		one.names = append(one.names, at.record(), at.tombstone())
		one.args = append(one.args, made[i].text())
	}
	return one
}

// text is what is stored behind the revision.
func (m *newKey) text() []byte {
	k := m.key
	state := State{Windows: make([]ratelimit.Window, len(k.Limits))}
	switch {
	case m.state != nil:
		state = *m.state
	case k.Refill != nil:
		state.NextRefill = k.Refill.Next(k.CreatedAt)
	}
	if k.Refill == nil {
		state.NextRefill = 0
	}
	b := make([]byte, 0, 256)
	b = append(AppendU56(AppendU56(b, m.balance), state.NextRefill), byte(len(k.Limits)))
	return append(appendWindows(b, state.Windows), encode(k)...)
}

func appendWindows(b []byte, windows []ratelimit.Window) []byte {
	for _, w := range windows {
		b = AppendU56(AppendU56(AppendU56(b, w.Index), w.Current), w.Previous)
	}
	return b
}

// undoInsert takes away what was stored of keys of which one was taken. Where that
// fails what is left is listed and verifies: its owner was told of an error.
func (s *Store) undoInsert(ctx context.Context, made []*newKey, groups [][]int, replies [][]any) {
	var deletions []invocation
	for g, reply := range replies {
		for _, i := range groups[g] {
			if reply[0] != nil {
				deletions = append(deletions, removal(made[i].key.Digest.place(), made[i].key.ID, Revision(text(reply[0]))))
			}
		}
	}
	_, _ = s.runAll(ctx, deleteScript, deletions)
	var gone []*Key
	for _, m := range made {
		if !m.moved {
			gone = append(gone, m.key)
		}
	}
	s.removeIndexEntries(ctx, gone...)
}
