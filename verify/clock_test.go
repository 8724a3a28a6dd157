package verify

import (
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/ratelimit"
	"tollgate/refill"
)

// The store's clock is read for what is decided by it, and otherwise ten times a second at
// most; in between the time of an outcome is reckoned.
func TestTheClockIsReadWhereItDecides(t *testing.T) {
	client := redistest.Start(t).Client()
	s := store.Open(client, store.Options{Timeout: 10 * time.Second})
	workspace, err := s.Workspace(t.Context(), keys.DefaultWorkspace)
	if err != nil {
		t.Fatal(err)
	}
	access := keys.Operator(workspace).As()
	api, err := s.CreateAPI(t.Context(), access, "api")
	if err != nil {
		t.Fatal(err)
	}
	many := int64(1000)
	for _, row := range []struct {
		name  string
		draft keys.KeyDraft
		reads bool
	}{
		{"plain", keys.KeyDraft{}, false},
		{"credits", keys.KeyDraft{Remaining: &many}, false},
		{"a limit", keys.KeyDraft{Limits: []ratelimit.Limit{{Name: "a", Limit: many, Duration: 60_000, AutoApply: true}}}, true},
		{"an end", keys.KeyDraft{Expires: time.Now().Add(time.Hour).UnixMilli()}, true},
		{"a refill", keys.KeyDraft{Remaining: &many, Refill: &refill.Schedule{Amount: 1}}, true},
	} {
		row.draft.APIID = api.ID
		made, err := s.CreateKey(t.Context(), access, row.draft)
		if err != nil {
			t.Fatal(err)
		}
		v := New(s, Options{Timeout: 10 * time.Second})
		ask := func() {
			t.Helper()
			o, err := v.Verify(t.Context(), &Request{Secret: made.Secret})
			if err != nil || o.Code != Valid {
				t.Fatalf("%s: %v, %v", row.name, o, err)
			}
			if off := time.Since(time.UnixMilli(o.Now)).Abs(); off > 2*time.Second {
				t.Errorf("%s: the outcome's time is off by %v", row.name, off)
			}
		}
		ask() // hears the clock
		clock := &v.batcher("").clock
		heard := clock.heard.Load()
		for range 10 {
			clock.heard.Store(int64(time.Since(start))) // as if it were heard just now
			heard = clock.heard.Load()
			ask()
			if reads := clock.heard.Load() != heard; reads != row.reads {
				t.Fatalf("%s: reads the clock: %t", row.name, reads)
			}
		}
		clock.heard.Store(heard - int64(2*clockMaxAge))
		ask()
		if clock.heard.Load() < heard {
			t.Errorf("%s: a clock that was heard long ago is believed", row.name)
		}
	}
}
