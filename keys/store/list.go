package store

import (
	"context"
	"strings"

	"tollgate/keys"
	"tollgate/keys/layout"

	"github.com/redis/go-redis/v9"
)

// MaxPage bounds how many keys one page has.
const MaxPage = 100

// KeyQuery asks for a page of an API's keys, in the order of their ids. At most
// one of After, From and Skip says where it begins.
type KeyQuery struct {
	APIID      string
	ExternalID string // of the identity that they belong to; "" for every key
	After      string // behind this id; what can't be an id of a key is KindInvalid
	From       string // with this id; as After
	Skip       int64  // behind so many; then what was deleted meanwhile shortens the page
	Limit      int    // 1 to MaxPage
	Decrypt    bool   // needs DecryptKey: with the plaintexts that were kept
}

// KeyPage is a page of an API's keys.
type KeyPage struct {
	Keys  []*Details
	Next  string // the id of the first key behind the page; "" where there is none
	Total int64  // keys of the API; 0 where the identity is unknown
}

// Keys returns a page. It takes a number of round trips that depends on neither the
// page nor the API, but on how many bytes its records have. An entry that leads nowhere, or to a key that belongs to
// somebody else by now, is passed over and does not shorten the page.
func (s *Store) Keys(ctx context.Context, a keys.Access, q KeyQuery) (*KeyPage, error) {
	if q.Limit < 1 || q.Limit > MaxPage {
		return nil, keys.Invalidf("limit", "from 1 to %d", MaxPage)
	}
	if err := keys.CheckCursors(keys.PrefixKey, q.After, q.From); err != nil {
		return nil, err
	}
	var also []keys.Right
	if q.Decrypt {
		also = []keys.Right{keys.DecryptKey}
	}
	if err := a.Check(q.APIID, also...); err != nil {
		return nil, err
	}
	if _, err := s.API(ctx, keys.Access{Caller: a.Caller}, q.APIID); err != nil {
		return nil, err
	}
	w := &Walk{Records: s.Records, WS: a.WorkspaceID, API: q.APIID}
	if q.ExternalID != "" {
		var err error
		w.identity, err = s.Named(ctx, a.WorkspaceID, layout.KindIdentity, q.ExternalID)
		if err != nil || w.identity == "" {
			return &KeyPage{}, err
		}
	}
	return w.page(ctx, q)
}

func (w *Walk) page(ctx context.Context, q KeyQuery) (*KeyPage, error) {
	w.At, w.exact = q.bound(), q.Skip > 0
	if err := w.skip(ctx, q.Skip); err != nil {
		return nil, err
	}
	var found []*Record
	var err error
	if w.exact {
		found, err = w.next(ctx, q.Limit)
	} else {
		found, err = w.fill(ctx, q.Limit+1)
	}
	if err != nil {
		return nil, err
	}
	page := &KeyPage{Total: w.total}
	if len(found) > q.Limit {
		page.Next = found[q.Limit].Key.ID
		found = found[:q.Limit]
	}
	page.Keys, err = w.Records.details(ctx, w.WS, found, q.Decrypt)
	return page, err
}

// bound is the lower end of a range of entries as ZRANGEBYLEX takes it.
func (q *KeyQuery) bound() string {
	switch {
	case q.After != "":
		return layout.Behind(q.After)
	case q.From != "":
		return "[" + q.From
	}
	return "-"
}

// Walk goes through the keys of an API, or of one identity in it, by id.
type Walk struct {
	Records  *Records
	WS       string
	API      string
	identity string
	At       string // where it goes on
	last     string // the id of the key that it gave last
	exact    bool   // an entry that leads nowhere is not made up for
	done     bool
	total    int64 // keys of the API
}

// Places tells where the keys of entries are; no place where the index has none.
func (s *Records) Places(ctx context.Context, entries []string) ([]layout.Place, error) {
	all, asked := make([]layout.Place, len(entries)), map[int]*redis.StringCmd{}
	fill := func(p redis.Pipeliner) {
		for i, entry := range entries {
			if _, at, ok := strings.Cut(entry, layout.EntrySeparator); ok {
				home, _, _ := strings.Cut(at, layout.EntrySeparator)
				all[i] = layout.Place{Text: home}
			} else {
				asked[i] = p.Get(ctx, layout.IndexName(entry))
			}
		}
	}
	err := s.Pipelined(ctx, fill)
	for i, cmd := range asked {
		all[i] = layout.Place{Text: cmd.Val()}
	}
	return all, err
}

func (w *Walk) list() string { return layout.KeyListName(w.API, w.identity) }

// skip goes behind the first n entries.
func (w *Walk) skip(ctx context.Context, n int64) error {
	if n == 0 {
		return nil
	}
	var entry *redis.StringSliceCmd
	if err := w.Records.Pipelined(ctx, func(p redis.Pipeliner) { entry = p.ZRange(ctx, w.list(), n-1, n-1) }); err != nil {
		return err
	}
	if len(entry.Val()) == 0 {
		w.done = true
		return w.count(ctx)
	}
	w.At = "(" + entry.Val()[0]
	return nil
}

func (w *Walk) count(ctx context.Context) error {
	var total *redis.IntCmd
	err := w.Records.Pipelined(ctx, func(p redis.Pipeliner) { total = p.ZCard(ctx, layout.KeyListName(w.API, "")) })
	w.total = total.Val()
	return err
}

// fill returns the next n keys, or as many as there are. Where many entries lead
// nowhere it looks at ever more of them at once.
func (w *Walk) fill(ctx context.Context, n int) ([]*Record, error) {
	var all []*Record
	for step := n; len(all) < n && !w.done; step = min(2*step, 1000) {
		found, err := w.next(ctx, step)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all[:min(n, len(all))], nil
}

// next returns the keys of the next n entries.
func (w *Walk) next(ctx context.Context, n int) ([]*Record, error) {
	if w.done {
		return nil, nil
	}
	entries, err := w.Entries(ctx, n)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	loaded, err := w.Records.LoadAll(ctx, layout.Single(entries))
	if err != nil {
		return nil, err
	}
	found := loaded[:0]
	for _, one := range loaded {
		if one != nil && w.Has(one.Key) && one.Key.ID != w.last {
			found = append(found, one)
			w.last = one.Key.ID
		}
	}
	return found, nil
}

// Entries returns the next n entries of the list.
func (w *Walk) Entries(ctx context.Context, n int) ([]string, error) {
	var found *redis.StringSliceCmd
	var total *redis.IntCmd
	err := w.Records.Pipelined(ctx, func(p redis.Pipeliner) {
		found = p.ZRangeByLex(ctx, w.list(), &redis.ZRangeBy{Min: w.At, Max: "+", Count: int64(n)})
		total = p.ZCard(ctx, layout.KeyListName(w.API, ""))
	})
	if err != nil {
		return nil, err
	}
	all := found.Val()
	w.total, w.done = total.Val(), len(all) < n
	if len(all) > 0 {
		w.At = "(" + all[len(all)-1]
	}
	return all, nil
}

// Has reports whether a key is where its entry says.
func (w *Walk) Has(k *keys.Key) bool {
	return k.WorkspaceID == w.WS && k.APIID == w.API && (w.identity == "" || k.IdentityID == w.identity)
}

// LoadAll reads keys by entries of lists or by ids, in their order; nil for one that
// is not there.
func (s *Records) LoadAll(ctx context.Context, entries []string) ([]*Record, error) {
	places, err := s.Places(ctx, entries)
	if err != nil {
		return nil, err
	}
	all, err := s.LoadPlaces(ctx, places)
	for i, found := range all {
		all[i] = found.as(layout.ListedID(entries[i]))
	}
	return all, err
}

// LoadRecords is loadAll for the ids of records: also of one whose first secret was deleted.
func (s *Records) LoadRecords(ctx context.Context, ids []string) ([]*Record, error) {
	places, err := s.Places(ctx, ids)
	if err != nil {
		return nil, err
	}
	all, err := s.LoadPlaces(ctx, places)
	for i, found := range all {
		if !found.is(ids[i]) {
			all[i] = nil
		}
	}
	return all, err
}

// LoadPlaces reads the keys at places; nil where none is. Redis is never busy for long with
// it: what is large is read in parts.
func (s *Records) LoadPlaces(ctx context.Context, places []layout.Place) ([]*Record, error) {
	names := make([]string, len(places))
	for i, at := range places {
		if at.Exists() {
			names[i] = at.Record()
		}
	}
	all := make([]*Record, 0, len(places))
	err := s.InParts(ctx, names, func(names []string) error {
		part, err := s.loadPart(ctx, places[len(all):][:len(names)])
		all = append(all, part...)
		return err
	})
	return all, err
}

// loadPart is loadPlaces in one exchange.
func (s *Records) loadPart(ctx context.Context, places []layout.Place) ([]*Record, error) {
	records, now := make([]*redis.StringCmd, len(places)), (*redis.TimeCmd)(nil)
	if err := s.Pipelined(ctx, func(p redis.Pipeliner) {
		for i, at := range places {
			if at.Exists() {
				records[i] = p.Get(ctx, at.Record())
			}
		}
		now = p.Time(ctx)
	}); err != nil {
		return nil, err
	}
	all := make([]*Record, len(places))
	for i, cmd := range records {
		if cmd == nil || cmd.Val() == "" {
			continue
		}
		key, state, prefix, err := layout.DecodeKey(cmd.Val())
		if err != nil {
			return nil, err
		}
		all[i] = &Record{key, state, prefix, places[i], now.Val().UnixMilli()}
	}
	return all, nil
}

// details returns what reads show of keys of one workspace.
func (s *Records) details(ctx context.Context, ws string, found []*Record, decrypt bool) ([]*Details, error) {
	known := make([]*keys.Key, len(found))
	for i, one := range found {
		known[i] = one.Key
	}
	resolved, err := s.ResolveAll(ctx, ws, known)
	if err != nil {
		return nil, err
	}
	all := make([]*Details, len(found))
	for i, one := range found {
		all[i] = &Details{Key: one.Key, State: one.Key.Refilled(one.State, one.Now), Resolved: resolved[i], Now: one.Now}
		if decrypt && len(one.Key.Sealed) > 0 {
			if all[i].Secret, err = s.sealer.open(one.Key); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}
