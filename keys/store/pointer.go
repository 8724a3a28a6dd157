package store

import (
	"context"
	_ "embed"
	"strings"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
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
	writePointerScript  = redisdb.NewScript(redisdb.StateLua, writePointerLua)
	removePointerScript = redisdb.NewScript(redisdb.StateLua, removePointerLua)
)

// noMigration is the id of a migration that can't be.
const noMigration = "-"

// pointerText is the text behind the revision of the pointer of a secret that a reroll issued.
func pointerText(k *keys.Key) []byte {
	home := k.RecordDigest()
	m := NewRecord{Key: &keys.Key{
		ID: k.ID, WorkspaceID: k.WorkspaceID, APIID: k.APIID, Digest: k.Digest, Migration: noMigration, Reserved: true, Target: &home,
	}}
	return m.text()
}

// WithPointers are those secrets of keys that have a pointer.
func WithPointers(all []*keys.Key) []*keys.Key {
	var some []*keys.Key
	for _, k := range all {
		if k.Digest != k.RecordDigest() {
			some = append(some, k)
		}
	}
	return some
}

// writePointers stores the pointers of secrets, and returns those whose place is taken by something
// else. It may be repeated.
func (s *Records) writePointers(ctx context.Context, all ...*keys.Key) (taken []*keys.Key, err error) {
	some := WithPointers(all)
	calls := make([]redisdb.Invocation, len(some))
	for i, k := range some {
		at := layout.PlaceOf(k.Digest)
		calls[i] = redisdb.Invocation{Names: []string{at.Record(), at.Tombstone()}, Args: []any{pointerText(k)}}
	}
	replies, err := s.RunAll(ctx, writePointerScript, calls)
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
func (s *Records) removePointers(ctx context.Context, permanent bool, all ...*keys.Key) {
	var calls, ids []redisdb.Invocation
	for _, k := range WithPointers(all) {
		at, left := layout.PlaceOf(k.Digest), ""
		if !permanent {
			left = TombstoneOf(k).Text()
			ids = append(ids, redisdb.Invocation{Names: []string{layout.IndexName(k.ID)}, Args: []any{at.Text}})
		}
		calls = append(calls, redisdb.Invocation{Names: []string{at.Record(), at.Tombstone()}, Args: []any{pointerText(k), left}})
	}
	if _, err := s.RunAll(ctx, removePointerScript, calls); err == nil { // housekeeping, as forget
		_, _ = s.RunAll(ctx, reindexScript, ids)
	}
}

// RemoveStrayPointers takes those pointers away that a crash left, by the entries that lead to them.
func (s *Records) RemoveStrayPointers(ctx context.Context, entries []string) error {
	var places []layout.Place
	ids := map[layout.Place]string{}
	for _, entry := range entries {
		if parts := strings.Split(entry, layout.EntrySeparator); len(parts) == 3 {
			at := layout.Place{Text: parts[2]}
			places, ids[at] = append(places, at), parts[0]
		}
	}
	if len(places) == 0 {
		return nil
	}
	found, err := s.LoadPlaces(ctx, places)
	if err != nil {
		return err
	}
	var deletions []redisdb.Invocation
	for _, one := range found {
		if one != nil && one.Key.Target != nil && one.Key.ID == ids[one.Place] {
			deletions = append(deletions, removal(one.Place, one.Key.ID, one.Revision))
		}
	}
	_, err = s.RunAll(ctx, deleteScript, deletions)
	return err
}
