package store

import (
	"cmp"
	"context"
	"strings"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

// Tombstone is what is left of a soft-deleted key: whose it was, and nothing of what
// it was. It is stored like a key without anything else, because releases that kept
// the whole record read it as one.
//
// The law: its digest is taken as long as it is there, its id leads to it, and it is
// in the list of its API's tombstones, or still in that of the API's keys.
type Tombstone struct {
	ID          string      `cbor:"1,keyasint"`
	WorkspaceID string      `cbor:"2,keyasint"`
	APIID       string      `cbor:"3,keyasint,omitempty"`
	Digest      keys.Digest `cbor:"4,keyasint"`

	Stored string `cbor:"-"` // as it was read
}

// TombstoneOf is the tombstone of a key.
func TombstoneOf(k *keys.Key) *Tombstone {
	return &Tombstone{ID: k.ID, WorkspaceID: k.WorkspaceID, APIID: k.APIID, Digest: k.Digest}
}

// emptyHeader is that of a record which has nothing left.
var emptyHeader = string(layout.LayoutVersion) + strings.Repeat("\x00", layout.HeaderSize-1)

// Text is what is stored of it.
func (t *Tombstone) Text() string { return emptyHeader + string(layout.Encode(t)) }

// entry is what stands for it in lists.
func (t *Tombstone) entry() string {
	return t.ID + layout.EntrySeparator + layout.PlaceOf(t.Digest).Text
}

// DecodeTombstone reads a tombstone, or what a release that kept the whole record left
// in its place; nil for "".
func DecodeTombstone(stored string) (*Tombstone, error) {
	if stored == "" {
		return nil, nil
	}
	_, _, record, err := layout.Split(stored)
	if err != nil {
		return nil, err
	}
	t := &Tombstone{Stored: stored}
	if err := layout.Decoding.Unmarshal(record, t); err != nil {
		return nil, err
	}
	return t, nil
}

// Whole reports whether more is stored than a tombstone.
func (t *Tombstone) Whole() bool { return t.Stored != t.Text() }

// TombstonesAt reads the tombstones at places; nil where none is.
func (s *Records) TombstonesAt(ctx context.Context, places []layout.Place) ([]*Tombstone, error) {
	records := make([]*redis.StringCmd, len(places))
	if err := s.Pipelined(ctx, func(p redis.Pipeliner) {
		for i, at := range places {
			if len(at.Text) > 2 {
				records[i] = p.Get(ctx, at.Tombstone())
			}
		}
	}); err != nil {
		return nil, err
	}
	all := make([]*Tombstone, len(places))
	for i, record := range records {
		if record == nil {
			continue
		}
		var err error
		if all[i], err = DecodeTombstone(record.Val()); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// retireEntries makes the entries of keys in the lists those of their tombstones. It is
// housekeeping: where it fails, readers of a list skip the entry, and the sweep of an
// API finds the tombstone by it. So an entry goes when the other one is there.
func (s *Records) retireEntries(ctx context.Context, gone ...*keys.Key) {
	if s.listTombstones(ctx, gone) == nil {
		s.removeFromAllLists(ctx, gone)
	}
	s.forgetUse(ctx, gone)
}

// listTombstones puts keys into the lists of their APIs' tombstones, also while Redis
// is full.
func (s *Records) listTombstones(ctx context.Context, gone []*keys.Key) error {
	lists := map[string][]any{}
	for _, k := range gone {
		if k.APIID != "" {
			lists[k.APIID] = append(lists[k.APIID], TombstoneOf(k).entry())
		}
	}
	var calls []redisdb.Invocation
	for api, entries := range lists {
		calls = append(calls, redisdb.Invocation{Names: []string{layout.TombstonesName(api)}, Args: append([]any{0}, entries...)})
	}
	_, err := s.RunAll(ctx, catalog.AddToListScript, calls)
	return err
}

// removeFromAllLists takes keys out of the lists of keys.
func (s *Records) removeFromAllLists(ctx context.Context, gone []*keys.Key) {
	_ = s.Pipelined(ctx, func(p redis.Pipeliner) {
		for _, k := range gone {
			for _, name := range listsOf(k) {
				layout.RemoveFromList(ctx, p, name, k)
			}
		}
	})
}

// IndexTombstones writes what leads to tombstones: the ids of which nothing else is
// known, and the lists. It works while Redis is full, because what it is for makes room.
func (s *Records) IndexTombstones(ctx context.Context, all []*keys.Key) error {
	if len(all) == 0 {
		return nil
	}
	calls := make([]redisdb.Invocation, len(all))
	for i, k := range all {
		calls[i] = redisdb.Invocation{Names: []string{layout.IndexName(k.ID)}, Args: []any{layout.PlaceOf(k.Digest).Text, redisdb.Flag(true)}}
	}
	if _, err := s.RunAll(ctx, catalog.NoteScript, calls); err != nil {
		return err
	}
	return s.listTombstones(ctx, all)
}

// deleteTombstone deletes a key for good that was soft-deleted before.
func (s *Records) deleteTombstone(ctx context.Context, a keys.Access, id string) error {
	at, err := s.locateOrEmpty(ctx, id)
	if err != nil {
		return err
	}
	found, err := s.TombstonesAt(ctx, []layout.Place{at})
	if err != nil {
		return err
	}
	t := found[0]
	if t == nil {
		return s.markFirstErased(ctx, a, id, at)
	}
	if t.ID != id || t.WorkspaceID != a.WorkspaceID || t.APIID == "" {
		return keyNotFound(id)
	}
	if err := a.Check(t.APIID); err != nil {
		return err
	}
	if api, err := s.DefinitionTexts(ctx, t.WorkspaceID, layout.KindAPI, []string{t.APIID}); err != nil || api[0] == "" {
		return cmp.Or[error](err, keyNotFound(id))
	}
	if err := audit.Intend(ctx, true, func() []audit.Changed { return []audit.Changed{{Type: "key", ID: id}} }); err != nil {
		return err
	}
	return s.erase(ctx, found)
}

// erase removes tombstones, of which some may be nil, and then what leads to them.
func (s *Records) erase(ctx context.Context, all []*Tombstone) error {
	var calls []redisdb.Invocation
	for _, t := range all {
		if t != nil {
			at := layout.PlaceOf(t.Digest)
			calls = append(calls, redisdb.Invocation{Names: []string{at.Tombstone(), at.Kept()}, Args: []any{t.Stored}})
		}
	}
	if _, err := s.RunAll(ctx, eraseScript, calls); err != nil || len(calls) == 0 {
		return err
	}
	return s.Pipelined(ctx, func(p redis.Pipeliner) {
		for _, t := range all {
			if t != nil {
				p.Del(ctx, layout.IndexName(t.ID))
				p.ZRem(ctx, layout.TombstonesName(t.APIID), t.entry())
				p.ZRem(ctx, layout.KeyListName(t.APIID, ""), t.entry(), t.ID)
			}
		}
	})
}

// eraseAll removes the tombstones of an API: those that are listed, and those whose
// entry is still among the API's keys.
func (s *Records) eraseAll(ctx context.Context, ws, api string) error {
	for {
		n, err := s.EraseListed(ctx, ws, api, deleteStep)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	for w := (&Walk{Records: s, WS: ws, API: api, At: "-"}); !w.done; {
		entries, err := w.Entries(ctx, deleteStep)
		if err != nil {
			return err
		}
		if err := s.EraseEntries(ctx, ws, api, entries); err != nil {
			return err
		}
	}
	return nil
}

// EraseListed removes the first n tombstones of an API, and returns how many entries it
// looked at.
func (s *Records) EraseListed(ctx context.Context, ws, api string, n int) (int, error) {
	var found *redis.StringSliceCmd
	if err := s.Pipelined(ctx, func(p redis.Pipeliner) {
		found = p.ZRange(ctx, layout.TombstonesName(api), 0, int64(n)-1)
	}); err != nil {
		return 0, err
	}
	entries := found.Val()
	if err := s.EraseEntries(ctx, ws, api, entries); err != nil || len(entries) == 0 {
		return 0, err
	}
	return len(entries), s.Pipelined(ctx, func(p redis.Pipeliner) {
		for _, entry := range entries { // also of those that lead nowhere
			p.ZRem(ctx, layout.TombstonesName(api), entry)
		}
	})
}

// EraseEntries removes the tombstones of an API that entries lead to.
func (s *Records) EraseEntries(ctx context.Context, ws, api string, entries []string) error {
	if len(entries) == 0 {
		return nil
	}
	places, err := s.Places(ctx, entries)
	if err != nil {
		return err
	}
	for i, entry := range entries {
		if parts := strings.Split(entry, layout.EntrySeparator); len(parts) == 3 {
			places[i] = layout.Place{Text: parts[2]} // of the pointer that it was
		}
	}
	all, err := s.TombstonesAt(ctx, places)
	if err != nil {
		return err
	}
	for i, t := range all {
		if t != nil && (t.ID != layout.ListedID(entries[i]) || t.APIID != api || t.WorkspaceID != ws) {
			all[i] = nil
		}
	}
	return s.erase(ctx, all)
}
