package usage_test

import (
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/usage"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// A question about usage without an end ends now by Redis's clock, whatever this process
// takes the time for, and one without a start begins a day before its end.
func TestUsageEndsByRedisClock(t *testing.T) {
	server := miniredis.RunT(t)
	c := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = c.Close() })
	s := keystest.New(t, c, "w")
	made := s.Create(keys.KeyDraft{})
	const day = 24 * 3600_000
	for _, ahead := range []time.Duration{-100 * 24 * time.Hour, 0, 100 * 24 * time.Hour} {
		now := time.Now().Add(ahead).Truncate(time.Millisecond)
		server.SetTime(now)
		rows, err := usage.NewReader(s.Store, 0).KeyUsage(t.Context(), s.Access, usage.Owner{KeyID: made.ID}, nil, nil)
		s.Must(err)
		if today := now.UnixMilli() / day * day; len(rows) != 2 || rows[0].Time != today-day || rows[1].Time != today {
			t.Errorf("%v ahead: %+v, want the days from %d to %d", ahead, rows, today-day, today)
		}
		rows, err = usage.NewReader(s.Store, 0).Query(t.Context(), s.Access, usage.Query{APIID: s.APIID, Start: now.UnixMilli() - day, UntilNow: true, Group: usage.Groups{Span: usage.ByDay}})
		s.Must(err)
		if len(rows) != 2 {
			t.Errorf("%v ahead: %d days, want 2", ahead, len(rows))
		}
	}
}
