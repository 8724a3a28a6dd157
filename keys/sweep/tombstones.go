package sweep

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb"
	"tollgate/keys/store"

	"github.com/redis/go-redis/v9"
)

// Releases before this one kept the whole record of a soft-deleted key for ever, in the
// place of its tombstone, and neither an index nor a list led to it. So a pass goes by
// every name in Redis, and makes tombstones of those records. It is repeated once a day, because
// gateways of such a release may still run; after seven passes in a row that found none,
// once a week, in case one is started again.
const (
	tombstonePassEvery  = 24 * time.Hour
	tombstonePassRarely = 7 * 24 * time.Hour
	tombstonePassClean  = 7
)

// tombstonePass is a pass that is under way in this gateway. Another gateway that gets
// the lease begins anew.
type tombstonePass struct {
	mu      sync.Mutex
	servers []redis.Cmdable // to be looked at, the first from the cursor on; none where no pass is under way
	cursor  uint64
	found   bool
}

// passes is what is noted of them: when the next is due, in unix ms, and how many in a
// row found nothing.
type passes struct{ due, clean int64 }

// String is the entry in the set of what is to be swept.
func (p passes) String() string {
	return strconv.FormatInt(p.due, 10) + " " + strconv.FormatInt(p.clean, 10)
}

func passesOf(noted string) (p passes) {
	due, clean, _ := strings.Cut(noted, " ")
	p.due, _ = strconv.ParseInt(due, 10, 64)
	p.clean, _ = strconv.ParseInt(clean, 10, 64)
	return p
}

// after is what is noted behind a pass that ended now.
func (p passes) after(now int64, found bool) passes {
	next := passes{clean: p.clean + 1}
	if found {
		next.clean = 0
	}
	every := tombstonePassEvery
	if next.clean >= tombstonePassClean {
		every = tombstonePassRarely
	}
	next.due = now + every.Milliseconds()
	return next
}

// sweepTombstones makes one step of a pass, if one is due, and reports whether there may
// be more to do at once.
func (s *Sweeper) sweepTombstones(ctx context.Context, noted string, now int64) (worked bool, err error) {
	t := &s.tombstones
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.servers) == 0 {
		// Nothing is put off for longer than tombstonePassRarely: a wrong clock did, and it is due.
		if due := passesOf(noted).due; now < due && due-now <= tombstonePassRarely.Milliseconds() {
			return false, nil
		}
		t.cursor, t.found = 0, false
		if t.servers, err = s.Masters(ctx); err != nil {
			return false, err
		}
	}
	names, next, err := s.ScanStep(ctx, t.servers[0], t.cursor, "tg:t:*")
	found := false
	if err == nil {
		found, err = s.stripTombstone(ctx, names)
	}
	if err != nil {
		t.servers = nil // a failover may have come between
		return false, err
	}
	t.cursor, t.found = next, t.found || found
	if next != 0 {
		return true, nil
	}
	t.servers = t.servers[1:]
	if len(t.servers) > 0 {
		return true, nil
	}
	_, err = s.Run(ctx, catalog.NoteScript, []string{layout.TombstonesDue}, passesOf(noted).after(now, t.found).String(), redisdb.Flag(false))
	return true, err
}

// stripTombstone makes tombstones of the records in the places of names, and reports whether
// there was any.
func (s *Sweeper) stripTombstone(ctx context.Context, names []string) (found bool, err error) {
	whole, err := s.wholeTombstones(ctx, names)
	if err != nil || len(whole) == 0 {
		return false, err
	}
	return true, s.stripTombstones(ctx, whole)
}

// wholeTombstones reads those of tombstones that are whole records. What can't be read
// is left alone: another release wrote it.
func (s *Sweeper) wholeTombstones(ctx context.Context, names []string) (whole []*store.Record, err error) {
	if len(names) == 0 {
		return nil, nil
	}
	records := make([]*redis.StringCmd, len(names))
	if err := s.Pipelined(ctx, func(p redis.Pipeliner) {
		for i, name := range names {
			records[i] = p.Get(ctx, name)
		}
	}); err != nil {
		return nil, err
	}
	for _, record := range records {
		t, err := store.DecodeTombstone(record.Val())
		if err != nil || t == nil || !t.Whole() {
			continue
		}
		if one, err := store.StoredAt(layout.PlaceOf(t.Digest), t.Stored); err == nil {
			whole = append(whole, one)
		}
	}
	return whole, nil
}

// stripTombstones puts tombstones in the place of whole records, with what leads to them, or
// nothing where the API is gone.
func (s *Sweeper) stripTombstones(ctx context.Context, whole []*store.Record) error {
	var kept []*keys.Key
	var calls []redisdb.Invocation
	gone, err := s.GoneAPIsOf(ctx, whole)
	if err != nil {
		return err
	}
	for _, one := range whole {
		if gone[one.Key.APIID] {
			at := one.Place
			calls = append(calls, redisdb.Invocation{Names: []string{at.Tombstone(), at.Tombstone(), at.Kept()}, Args: []any{string(one.Revision), "", 0}})
			continue
		}
		kept = append(kept, one.Key)
		calls = append(calls, s.Replacement(one.Place.Tombstone(), one))
	}
	if err := s.IndexTombstones(ctx, kept); err != nil {
		return err
	}
	return s.RunDeletions(ctx, calls)
}
