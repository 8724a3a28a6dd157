package keys

import (
	"strings"
	"testing"
	"time"

	"tollgate/bench/redistest"
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
		a := Operator(ws).As()
		api, err := s.CreateAPI(ctx, a, "api")
		must(err)
		ten := int64(10)
		made, err := s.CreateKey(ctx, a, KeyDraft{APIID: api.ID, Remaining: &ten})
		must(err)
		stale, err := s.load(ctx, ws, made.ID)
		must(err)
		must(s.UpdateKey(ctx, a, made.ID, KeyPatch{Refill: To(refill.Schedule{Amount: 7})}))
		if _, done, err := s.moveBalance(ctx, stale, IncrementCredits, 5); done || err != nil {
			t.Errorf("a stale increment happened: %v", err)
		}
		if done, err := s.put(ctx, stale, stale.key, put{}); done || err != nil {
			t.Errorf("a stale record was put: %v", err)
		}
		if err := s.deleteRecord(ctx, stale, true); err != errBusy {
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
		a := Operator(ws).As()
		api, err := s.CreateAPI(ctx, a, "api")
		if err != nil {
			t.Fatal(err)
		}
		made, err := s.CreateKey(ctx, a, KeyDraft{APIID: api.ID, Expires: 4_102_444_800_000})
		if err != nil {
			t.Fatal(err)
		}
		refused := map[string]error{}
		for _, at := range []int64{0, -1, -MaxTime} {
			refused["a change"] = s.UpdateKey(ctx, a, made.ID, KeyPatch{Expires: To(at)})
			if at < 0 {
				_, refused["a key"] = s.CreateKey(ctx, a, KeyDraft{APIID: api.ID, Expires: at})
				_, refused["an import"] = s.ImportKeys(ctx, a, []ImportDraft{{KeyDraft: KeyDraft{APIID: api.ID, Expires: at}, Secret: NewSecret("0123456789abcdef")}})
				_, _, refused["a root key"] = s.CreateRootKey(ctx, ws, RootDraft{Grants: []string{Everything}, Expires: at})
			}
			for what, err := range refused {
				if e := AsError(err); err == nil || e.Kind != KindInvalid || !strings.HasSuffix(e.Field, "expires") {
					t.Errorf("%s that ends at %d: %v", what, at, err)
				}
			}
		}
		if d, err := s.Key(ctx, a, made.ID, false); err != nil || d.Key.Expires != 4_102_444_800_000 {
			t.Errorf("the key was changed: %+v, %v", d, err)
		}
	})
}
