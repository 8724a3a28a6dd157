package store

import (
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/catalog"
	"tollgate/keys/redisdb/redistest"
	"tollgate/refill"

	"github.com/redis/go-redis/v9"
)

// A change that was made on a key as it no longer is does not happen.
func TestStaleChangesDoNotHappen(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		s := Open(c, Options{Timeout: 10 * time.Second})
		ctx := t.Context()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		ws, err := s.Workspace(ctx, "w")
		must(err)
		a := keys.Operator(ws).As()
		api, err := s.CreateAPI(ctx, a, "api")
		must(err)
		ten := int64(10)
		made, err := s.CreateKey(ctx, a, keys.KeyDraft{APIID: api.ID, Remaining: &ten})
		must(err)
		stale, err := s.Load(ctx, ws, made.ID)
		must(err)
		must(s.UpdateKey(ctx, a, made.ID, keys.KeyPatch{Refill: keys.To(refill.Schedule{Amount: 7})}))
		ctx = audit.Exempt(ctx) // what is called here is beneath what begins an action
		if _, done, err := s.moveBalance(ctx, stale, IncrementCredits, 5); done || err != nil {
			t.Errorf("a stale increment happened: %v", err)
		}
		if done, err := s.Put(ctx, stale, stale.Key, Put{}); done || err != nil {
			t.Errorf("a stale record was put: %v", err)
		}
		if err := s.deleteRecord(ctx, stale, true); err != catalog.ErrBusy {
			t.Errorf("a stale key was buried: %v", err)
		}
		d, err := s.Key(ctx, a, made.ID, false)
		must(err)
		if d.State.Balance != 10 || d.Key.Refill == nil {
			t.Errorf("%+v", d)
		}
	})
}

// The domain itself refuses an end of 0 or less, which a record has for never, where a
// change says it, and less than 0 wherever a key is made.
func TestExpiresZeroIsNoChange(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		s := Open(c, Options{Timeout: 10 * time.Second})
		ctx := t.Context()
		ws, err := s.Workspace(ctx, "w")
		if err != nil {
			t.Fatal(err)
		}
		a := keys.Operator(ws).As()
		api, err := s.CreateAPI(ctx, a, "api")
		if err != nil {
			t.Fatal(err)
		}
		made, err := s.CreateKey(ctx, a, keys.KeyDraft{APIID: api.ID, Expires: 4_102_444_800_000})
		if err != nil {
			t.Fatal(err)
		}
		refused := map[string]error{}
		for _, at := range []int64{0, -1, -keys.MaxTime} {
			refused["a change"] = s.UpdateKey(ctx, a, made.ID, keys.KeyPatch{Expires: keys.To(at)})
			if at < 0 {
				_, refused["a key"] = s.CreateKey(ctx, a, keys.KeyDraft{APIID: api.ID, Expires: at})
				_, refused["an import"] = s.ImportKeys(ctx, a, []keys.ImportDraft{{KeyDraft: keys.KeyDraft{APIID: api.ID, Expires: at}, Secret: keys.NewSecret("0123456789abcdef")}})
				_, _, refused["a root key"] = s.CreateRootKey(ctx, ws, keys.RootDraft{Grants: []string{keys.Everything}, Expires: at})
			}
			for what, err := range refused {
				if e := keys.AsError(err); err == nil || e.Kind != keys.KindInvalid || !strings.HasSuffix(e.Field, "expires") {
					t.Errorf("%s that ends at %d: %v", what, at, err)
				}
			}
		}
		if d, err := s.Key(ctx, a, made.ID, false); err != nil || d.Key.Expires != 4_102_444_800_000 {
			t.Errorf("the key was changed: %+v, %v", d, err)
		}
	})
}
