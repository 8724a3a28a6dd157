package keystest

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/keys/sweep"
	"tollgate/ratelimit"

	"github.com/redis/go-redis/v9"
)

// Stock imports n keys, of an identity each or of none, and returns their ids, sorted.
func (w *World) Stock(n int, owner func(i int) string) []string {
	w.TB.Helper()
	drafts := make([]keys.ImportDraft, n)
	for i := range drafts {
		drafts[i].APIID, drafts[i].Secret = w.APIID, keys.NewSecret(keys.NewID("stock"))
		if owner != nil {
			drafts[i].ExternalID = owner(i)
		}
	}
	ids, err := w.ImportKeys(w.TB.Context(), w.Access, drafts)
	w.Must(err)
	slices.Sort(ids)
	return ids
}

// Pages returns the ids of all pages of a size, read by the last id or, inclusive, by the next one.
func (w *World) Pages(q store.KeyQuery, inclusive bool) (all []string) {
	w.TB.Helper()
	q.APIID = w.APIID
	for {
		page, err := w.Keys(w.TB.Context(), w.Access, q)
		w.Must(err)
		for _, d := range page.Keys {
			all = append(all, d.Key.ID)
		}
		if len(page.Keys) < q.Limit && page.Next != "" {
			w.TB.Errorf("a page of %d of %d is not the last", len(page.Keys), q.Limit)
		}
		switch {
		case inclusive && page.Next == "", !inclusive && len(page.Keys) < q.Limit:
			return all
		case inclusive:
			q.From = page.Next
		default:
			q.After = all[len(all)-1]
		}
	}
}

// Identifiers returns n identifiers of a namespace whose counters are in a shard.
func Identifiers(shard, namespaceID string, n int) (all []string) {
	for i := 0; len(all) < n; i++ {
		identifier := "user:" + strconv.Itoa(i)
		if layout.ShardOf(namespaceID+":"+identifier) == shard {
			all = append(all, identifier)
		}
	}
	return all
}

// SweepUp sweeps until there is nothing left to do, and returns in how many steps.
func (w *World) SweepUp() (steps int) {
	w.TB.Helper()
	sweeper := sweep.New(w.Store)
	for ; ; steps++ {
		worked, err := sweeper.SweepOnce(w.TB.Context())
		w.Must(err)
		if !worked {
			return steps
		}
	}
}

// Leftovers lists what the keys of APIs have in Redis.
func Leftovers(tb testing.TB, c redis.UniversalClient) (names []string) {
	tb.Helper()
	for _, pattern := range []string{"tg:k:*", "tg:i:*", "tg:l:api_*", "tg:n:*"} {
		names = append(names, redistest.Names(tb, c, pattern)...)
	}
	return names
}

// LengthenWindows makes windows of keys.MaxLongDuration in all records, which must be three, as
// long as older versions could store them.
func LengthenWindows(tb testing.TB, c redis.UniversalClient) {
	tb.Helper()
	was := string(binary.BigEndian.AppendUint64(nil, keys.MaxLongDuration))
	is := string(binary.BigEndian.AppendUint64(nil, ratelimit.MaxDuration))
	changed := 0
	for _, name := range slices.Concat(redistest.Names(tb, c, "tg:k:*"), redistest.Names(tb, c, "tg:d:*")) {
		value, err := c.Get(tb.Context(), name).Result()
		if err == nil && strings.Contains(value, was) {
			err = c.Set(tb.Context(), name, strings.ReplaceAll(value, was, is), 0).Err()
			changed++
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	if changed != 3 {
		tb.Fatalf("%d records have the windows, want 3", changed)
	}
}
