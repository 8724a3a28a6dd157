package keys

import (
	"context"

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
func (s *Store) Keys(ctx context.Context, a Access, q KeyQuery) (*KeyPage, error) {
	if q.Limit < 1 || q.Limit > MaxPage {
		return nil, Invalidf("limit", "from 1 to %d", MaxPage)
	}
	if err := checkCursors(prefixKey, q.After, q.From); err != nil {
		return nil, err
	}
	var also []Right
	if q.Decrypt {
		also = []Right{DecryptKey}
	}
	if err := a.check(q.APIID, also...); err != nil {
		return nil, err
	}
	if _, err := s.API(ctx, Access{Caller: a.Caller}, q.APIID); err != nil {
		return nil, err
	}
	w := &walk{store: s, ws: a.WorkspaceID, api: q.APIID}
	if q.ExternalID != "" {
		var err error
		w.identity, err = s.named(ctx, a.WorkspaceID, kindIdentity, q.ExternalID)
		if err != nil || w.identity == "" {
			return &KeyPage{}, err
		}
	}
	return w.page(ctx, q)
}

func (w *walk) page(ctx context.Context, q KeyQuery) (*KeyPage, error) {
	w.at, w.exact = q.bound(), q.Skip > 0
	if err := w.skip(ctx, q.Skip); err != nil {
		return nil, err
	}
	var found []*stored
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
		page.Next = found[q.Limit].key.ID
		found = found[:q.Limit]
	}
	page.Keys, err = w.store.details(ctx, w.ws, found, q.Decrypt)
	return page, err
}

// bound is the lower end of a range of entries as ZRANGEBYLEX takes it.
func (q *KeyQuery) bound() string {
	switch {
	case q.After != "":
		return behind(q.After)
	case q.From != "":
		return "[" + q.From
	}
	return "-"
}

// walk goes through the keys of an API, or of one identity in it, by id.
type walk struct {
	store    *Store
	ws       string
	api      string
	identity string
	at       string // where it goes on
	last     string // the id of the key that it gave last
	exact    bool   // an entry that leads nowhere is not made up for
	done     bool
	total    int64 // keys of the API
}

func (w *walk) list() string { return keyListName(w.api, w.identity) }

// skip goes behind the first n entries.
func (w *walk) skip(ctx context.Context, n int64) error {
	if n == 0 {
		return nil
	}
	var entry *redis.StringSliceCmd
	if err := w.store.pipelined(ctx, func(p redis.Pipeliner) { entry = p.ZRange(ctx, w.list(), n-1, n-1) }); err != nil {
		return err
	}
	if len(entry.Val()) == 0 {
		w.done = true
		return w.count(ctx)
	}
	w.at = "(" + entry.Val()[0]
	return nil
}

func (w *walk) count(ctx context.Context) error {
	var total *redis.IntCmd
	err := w.store.pipelined(ctx, func(p redis.Pipeliner) { total = p.ZCard(ctx, keyListName(w.api, "")) })
	w.total = total.Val()
	return err
}

// fill returns the next n keys, or as many as there are. Where many entries lead
// nowhere it looks at ever more of them at once.
func (w *walk) fill(ctx context.Context, n int) ([]*stored, error) {
	var all []*stored
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
func (w *walk) next(ctx context.Context, n int) ([]*stored, error) {
	if w.done {
		return nil, nil
	}
	entries, err := w.entries(ctx, n)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	loaded, err := w.store.loadAll(ctx, single(entries))
	if err != nil {
		return nil, err
	}
	found := loaded[:0]
	for _, one := range loaded {
		if one != nil && w.has(one.key) && one.key.ID != w.last {
			found = append(found, one)
			w.last = one.key.ID
		}
	}
	return found, nil
}

// entries returns the next n entries of the list.
func (w *walk) entries(ctx context.Context, n int) ([]string, error) {
	var found *redis.StringSliceCmd
	var total *redis.IntCmd
	err := w.store.pipelined(ctx, func(p redis.Pipeliner) {
		found = p.ZRangeByLex(ctx, w.list(), &redis.ZRangeBy{Min: w.at, Max: "+", Count: int64(n)})
		total = p.ZCard(ctx, keyListName(w.api, ""))
	})
	if err != nil {
		return nil, err
	}
	all := found.Val()
	w.total, w.done = total.Val(), len(all) < n
	if len(all) > 0 {
		w.at = "(" + all[len(all)-1]
	}
	return all, nil
}

// has reports whether a key is where its entry says.
func (w *walk) has(k *Key) bool {
	return k.WorkspaceID == w.ws && k.APIID == w.api && (w.identity == "" || k.IdentityID == w.identity)
}

// loadAll reads keys by entries of lists or by ids, in their order; nil for one that
// is not there.
func (s *Store) loadAll(ctx context.Context, entries []string) ([]*stored, error) {
	places, err := s.places(ctx, entries)
	if err != nil {
		return nil, err
	}
	all, err := s.loadPlaces(ctx, places)
	for i, found := range all {
		all[i] = found.as(listedID(entries[i]))
	}
	return all, err
}

// loadRecords is loadAll for the ids of records: also of one whose first secret was deleted.
func (s *Store) loadRecords(ctx context.Context, ids []string) ([]*stored, error) {
	places, err := s.places(ctx, ids)
	if err != nil {
		return nil, err
	}
	all, err := s.loadPlaces(ctx, places)
	for i, found := range all {
		if !found.is(ids[i]) {
			all[i] = nil
		}
	}
	return all, err
}

// loadPlaces reads the keys at places; nil where none is. Redis is never busy for long with
// it: what is large is read in parts.
func (s *Store) loadPlaces(ctx context.Context, places []place) ([]*stored, error) {
	names := make([]string, len(places))
	for i, at := range places {
		if at.exists() {
			names[i] = at.record()
		}
	}
	all := make([]*stored, 0, len(places))
	err := s.inParts(ctx, names, func(names []string) error {
		part, err := s.loadPart(ctx, places[len(all):][:len(names)])
		all = append(all, part...)
		return err
	})
	return all, err
}

// loadPart is loadPlaces in one exchange.
func (s *Store) loadPart(ctx context.Context, places []place) ([]*stored, error) {
	records, now := make([]*redis.StringCmd, len(places)), (*redis.TimeCmd)(nil)
	if err := s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, at := range places {
			if at.exists() {
				records[i] = p.Get(ctx, at.record())
			}
		}
		now = p.Time(ctx)
	}); err != nil {
		return nil, err
	}
	all := make([]*stored, len(places))
	for i, cmd := range records {
		if cmd == nil || cmd.Val() == "" {
			continue
		}
		key, state, prefix, err := DecodeKey(cmd.Val())
		if err != nil {
			return nil, err
		}
		all[i] = &stored{key, state, prefix, places[i], now.Val().UnixMilli()}
	}
	return all, nil
}

// details returns what reads show of keys of one workspace.
func (s *Store) details(ctx context.Context, ws string, found []*stored, decrypt bool) ([]*Details, error) {
	known := make([]*Key, len(found))
	for i, one := range found {
		known[i] = one.key
	}
	resolved, err := s.resolveAll(ctx, ws, known)
	if err != nil {
		return nil, err
	}
	all := make([]*Details, len(found))
	for i, one := range found {
		all[i] = &Details{Key: one.key, State: one.key.refilled(one.state, one.now), Resolved: resolved[i], Now: one.now}
		if decrypt && len(one.key.Sealed) > 0 {
			if all[i].Secret, err = s.sealer.open(one.key); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}
