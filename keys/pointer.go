package keys

import (
	"context"
	_ "embed"
	"strings"
)

// A secret that a reroll issued has its own digest, and so its own place, on a Cluster mostly
// in another slot than the record of its key. In that place is a pointer: a record that is no
// key and says where the record is. It never changes.
//
// The law: a pointer proves nothing. A secret is one of a key as long as the key's record
// names it, and whoever decides asks the record, in its slot. So a secret is issued and
// revoked by one write of the record; the pointer is there before, and goes afterwards.
//
// To a release that knows no pointers it is a key that waits for a migration: such a key
// verifies never (NOT_FOUND), and is neither listed nor read.

//go:embed writepointer.lua
var writePointerLua string

//go:embed removepointer.lua
var removePointerLua string

var (
	writePointerScript  = NewScript(writePointerLua)
	removePointerScript = NewScript(removePointerLua)
)

// noMigration is the id of a migration that can't be.
const noMigration = "-"

// pointer is the text behind the revision of the pointer of a secret that a reroll issued.
func (k *Key) pointer() []byte {
	home := k.record.Digest
	m := newKey{key: &Key{
		ID: k.ID, WorkspaceID: k.WorkspaceID, APIID: k.APIID, Digest: k.Digest, Migration: noMigration, Reserved: true, Target: &home,
	}}
	return m.text()
}

// withPointers are those secrets of keys that have a pointer.
func withPointers(all []*Key) []*Key {
	var some []*Key
	for _, k := range all {
		if k.record != nil && k.Digest != k.record.Digest {
			some = append(some, k)
		}
	}
	return some
}

// writePointers stores the pointers of secrets, and returns those whose place is taken by something
// else. It may be repeated.
func (s *Store) writePointers(ctx context.Context, all ...*Key) (taken []*Key, err error) {
	some := withPointers(all)
	calls := make([]invocation, len(some))
	for i, k := range some {
		at := k.Digest.place()
		calls[i] = invocation{[]string{at.record(), at.tombstone()}, []any{k.pointer()}}
	}
	replies, err := s.runAll(ctx, writePointerScript, calls)
	if err != nil {
		return nil, err
	}
	for i, reply := range replies {
		if reply[0] == nil {
			taken = append(taken, some[i])
		}
	}
	return taken, nil
}

// removePointers takes the pointers of secrets away that no record names any more; unless it is
// permanent each leaves a tombstone, to which its id leads then. Where it fails they lead to a
// record that does not name them.
func (s *Store) removePointers(ctx context.Context, permanent bool, all ...*Key) {
	var calls, ids []invocation
	for _, k := range withPointers(all) {
		at, left := k.Digest.place(), ""
		if !permanent {
			left = tombstoneOf(k).text()
			ids = append(ids, invocation{[]string{indexName(k.ID)}, []any{at.text}})
		}
		calls = append(calls, invocation{[]string{at.record(), at.tombstone()}, []any{k.pointer(), left}})
	}
	if _, err := s.runAll(ctx, removePointerScript, calls); err == nil { // housekeeping, as forget
		_, _ = s.runAll(ctx, reindexScript, ids)
	}
}

// removeStrayPointers takes those pointers away that a crash left, by the entries that lead to them.
func (s *Store) removeStrayPointers(ctx context.Context, entries []string) error {
	var places []place
	ids := map[place]string{}
	for _, entry := range entries {
		if parts := strings.Split(entry, entrySeparator); len(parts) == 3 {
			at := place{parts[2]}
			places, ids[at] = append(places, at), parts[0]
		}
	}
	if len(places) == 0 {
		return nil
	}
	found, err := s.loadPlaces(ctx, places)
	if err != nil {
		return err
	}
	var deletions []invocation
	for _, one := range found {
		if one != nil && one.key.Target != nil && one.key.ID == ids[one.place] {
			deletions = append(deletions, removal(one.place, one.key.ID, one.revision))
		}
	}
	_, err = s.runAll(ctx, deleteScript, deletions)
	return err
}
