package keys

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"
)

// tombstone is what is left of a soft-deleted key: whose it was, and nothing of what
// it was. It is stored like a key without anything else, because releases that kept
// the whole record read it as one.
//
// The law: its digest is taken as long as it is there, its id leads to it, and it is
// in the list of its API's tombstones, or still in that of the API's keys.
type tombstone struct {
	ID          string `cbor:"1,keyasint"`
	WorkspaceID string `cbor:"2,keyasint"`
	APIID       string `cbor:"3,keyasint,omitempty"`
	Digest      Digest `cbor:"4,keyasint"`

	stored string // as it was read
}

func tombstoneOf(k *Key) *tombstone {
	return &tombstone{ID: k.ID, WorkspaceID: k.WorkspaceID, APIID: k.APIID, Digest: k.Digest}
}

// emptyHeader is that of a record which has nothing left.
var emptyHeader = string(layoutVersion) + strings.Repeat("\x00", headerLength-1)

// text is what is stored of it.
func (t *tombstone) text() string { return emptyHeader + string(encode(t)) }

// entry is what stands for it in lists.
func (t *tombstone) entry() string { return t.ID + entrySeparator + t.Digest.place().text }

// decodeTombstone reads a tombstone, or what a release that kept the whole record left
// in its place; nil for "".
func decodeTombstone(stored string) (*tombstone, error) {
	if stored == "" {
		return nil, nil
	}
	_, _, record, err := split(stored)
	if err != nil {
		return nil, err
	}
	t := &tombstone{stored: stored}
	if err := decoding.Unmarshal(record, t); err != nil {
		return nil, err
	}
	return t, nil
}

// whole reports whether more is stored than a tombstone.
func (t *tombstone) whole() bool { return t.stored != t.text() }

// tombstonesAt reads the tombstones at places; nil where none is.
func (s *Store) tombstonesAt(ctx context.Context, places []place) ([]*tombstone, error) {
	records := make([]*redis.StringCmd, len(places))
	if err := s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, at := range places {
			if len(at.text) > 2 {
				records[i] = p.Get(ctx, at.tombstone())
			}
		}
	}); err != nil {
		return nil, err
	}
	all := make([]*tombstone, len(places))
	for i, record := range records {
		if record == nil {
			continue
		}
		var err error
		if all[i], err = decodeTombstone(record.Val()); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// retireEntries makes the entries of keys in the lists those of their tombstones. It is
// housekeeping: where it fails, readers of a list skip the entry, and the sweep of an
// API finds the tombstone by it. So an entry goes when the other one is there.
func (s *Store) retireEntries(ctx context.Context, gone ...*Key) {
	if s.listTombstones(ctx, gone) == nil {
		s.removeFromAllLists(ctx, gone)
	}
	s.forgetUse(ctx, gone)
}

// listTombstones puts keys into the lists of their APIs' tombstones, also while Redis
// is full.
func (s *Store) listTombstones(ctx context.Context, gone []*Key) error {
	lists := map[string][]any{}
	for _, k := range gone {
		if k.APIID != "" {
			lists[k.APIID] = append(lists[k.APIID], tombstoneOf(k).entry())
		}
	}
	var calls []invocation
	for api, entries := range lists {
		calls = append(calls, invocation{[]string{tombstonesName(api)}, append([]any{0}, entries...)})
	}
	_, err := s.runAll(ctx, addToListScript, calls)
	return err
}

// removeFromAllLists takes keys out of the lists of keys.
func (s *Store) removeFromAllLists(ctx context.Context, gone []*Key) {
	_ = s.pipelined(ctx, func(p redis.Pipeliner) {
		for _, k := range gone {
			for _, name := range listsOf(k) {
				removeFromList(ctx, p, name, k)
			}
		}
	})
}

// deleteTombstone deletes a key for good that was soft-deleted before.
func (s *Store) deleteTombstone(ctx context.Context, a Access, id string) error {
	at, err := s.locateOrEmpty(ctx, id)
	if err != nil {
		return err
	}
	found, err := s.tombstonesAt(ctx, []place{at})
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
	if err := a.check(t.APIID); err != nil {
		return err
	}
	if api, err := s.definitionTexts(ctx, t.WorkspaceID, kindAPI, []string{t.APIID}); err != nil || api[0] == "" {
		return orError(err, keyNotFound(id))
	}
	return s.erase(ctx, found)
}

// erase removes tombstones, of which some may be nil, and then what leads to them.
func (s *Store) erase(ctx context.Context, all []*tombstone) error {
	var calls []invocation
	for _, t := range all {
		if t != nil {
			at := t.Digest.place()
			calls = append(calls, invocation{[]string{at.tombstone(), at.kept()}, []any{t.stored}})
		}
	}
	if _, err := s.runAll(ctx, eraseScript, calls); err != nil || len(calls) == 0 {
		return err
	}
	return s.pipelined(ctx, func(p redis.Pipeliner) {
		for _, t := range all {
			if t != nil {
				p.Del(ctx, indexName(t.ID))
				p.ZRem(ctx, tombstonesName(t.APIID), t.entry())
				p.ZRem(ctx, keyListName(t.APIID, ""), t.entry(), t.ID)
			}
		}
	})
}

// eraseAll removes the tombstones of an API: those that are listed, and those whose
// entry is still among the API's keys.
func (s *Store) eraseAll(ctx context.Context, ws, api string) error {
	for {
		n, err := s.eraseListed(ctx, ws, api, deleteStep)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	for w := (&walk{store: s, ws: ws, api: api, at: "-"}); !w.done; {
		entries, err := w.entries(ctx, deleteStep)
		if err != nil {
			return err
		}
		if err := s.eraseEntries(ctx, ws, api, entries); err != nil {
			return err
		}
	}
	return nil
}

// eraseListed removes the first n tombstones of an API, and returns how many entries it
// looked at.
func (s *Store) eraseListed(ctx context.Context, ws, api string, n int) (int, error) {
	var found *redis.StringSliceCmd
	if err := s.pipelined(ctx, func(p redis.Pipeliner) {
		found = p.ZRange(ctx, tombstonesName(api), 0, int64(n)-1)
	}); err != nil {
		return 0, err
	}
	entries := found.Val()
	if err := s.eraseEntries(ctx, ws, api, entries); err != nil || len(entries) == 0 {
		return 0, err
	}
	return len(entries), s.pipelined(ctx, func(p redis.Pipeliner) {
		for _, entry := range entries { // also of those that lead nowhere
			p.ZRem(ctx, tombstonesName(api), entry)
		}
	})
}

// eraseEntries removes the tombstones of an API that entries lead to.
func (s *Store) eraseEntries(ctx context.Context, ws, api string, entries []string) error {
	if len(entries) == 0 {
		return nil
	}
	places, err := s.places(ctx, entries)
	if err != nil {
		return err
	}
	for i, entry := range entries {
		if parts := strings.Split(entry, entrySeparator); len(parts) == 3 {
			places[i] = place{parts[2]} // of the pointer that it was
		}
	}
	all, err := s.tombstonesAt(ctx, places)
	if err != nil {
		return err
	}
	for i, t := range all {
		if t != nil && (t.ID != listedID(entries[i]) || t.APIID != api || t.WorkspaceID != ws) {
			all[i] = nil
		}
	}
	return s.erase(ctx, all)
}
