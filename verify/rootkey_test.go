package verify_test

import (
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb/redistest"
	"tollgate/ratelimit"
	"tollgate/verify"

	"github.com/fxamacker/cbor/v2"
	"github.com/redis/go-redis/v9"
)

// root makes a root key of the world's workspace.
func (w *world) root(d keys.RootDraft) (string, keys.Secret) {
	w.TB.Helper()
	id, secret, err := w.CreateRootKey(w.TB.Context(), w.Access.WorkspaceID, d)
	w.Must(err)
	return id, secret
}

// refusedAs checks that a verification fails with an error of a kind.
func (w *world) refusedAs(kind keys.Kind, r verify.Request) {
	w.TB.Helper()
	if o, err := w.Verify(w.TB.Context(), &r); o != nil || err == nil || keys.AsError(err).Kind != kind {
		w.TB.Errorf("got %+v, %v; want an error of kind %s", o, err, kind)
	}
}

func (w *world) code(want verify.Code, r verify.Request) {
	w.TB.Helper()
	if o := w.Check(r); o.Code != want || want == verify.NotFound && o.Key != nil {
		w.TB.Errorf("got %+v, want %s", o, want)
	}
}

// A key is found by those root keys alone that may verify it.
func TestAskedByRootKey(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		made := w.Create(keys.KeyDraft{Remaining: keystest.Uses(100)})
		other, err := w.Workspace(t.Context(), "other")
		w.Must(err)
		_, stranger, err := w.CreateRootKey(t.Context(), other, keys.RootDraft{Grants: []string{keys.Everything}})
		w.Must(err)
		ask := func(by keys.Secret) verify.Request {
			return verify.Request{RootKey: by, Secret: made.Secret, Cost: 1}
		}
		for _, row := range []struct {
			grant string
			want  verify.Code
		}{
			{"*", verify.Valid},
			{"api.*.verify_key", verify.Valid},
			{"api." + w.APIID + ".verify_key", verify.Valid},
			{"api.*.read_key", verify.NotFound},
			{"api.api_other.verify_key", verify.NotFound},
		} {
			_, by := w.root(keys.RootDraft{Grants: []string{row.grant}})
			w.code(row.want, ask(by))
			w.code(row.want, ask(by))
			w.code(verify.NotFound, verify.Request{RootKey: by, Secret: keys.NewSecret("nobody's"), Cost: 1})
			w.code(verify.NotFound, verify.Request{RootKey: by, Secret: by, Cost: 1})
		}
		w.code(verify.NotFound, ask(stranger))
		w.refusedAs(keys.KindUnauthenticated, ask(keys.NewSecret("no such root key")))
		w.refusedAs(keys.KindNotRootKey, ask(made.Secret))
		if left := w.Left(made.ID).Balance; left != 94 {
			t.Errorf("%d uses left of 100 after six valid verifications", left)
		}
	})
}

// A root key that is deleted asks for nothing from then on, on every gateway, and
// what it asked for is not spent; also where there is no such key.
func TestDeletedRootKeyAsksNoMore(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		made := w.Create(keys.KeyDraft{Remaining: keystest.Uses(100)})
		id, by := w.root(keys.RootDraft{Grants: []string{keys.Everything}})
		_, staying := w.root(keys.RootDraft{Grants: []string{keys.Everything}})
		gateways := []keystest.Gateway{w.Gateway, keystest.NewGateway(c), keystest.NewGateway(c)}
		each := func(check func()) {
			t.Helper()
			for _, w.Gateway = range gateways {
				check()
			}
		}
		ask := verify.Request{RootKey: by, Secret: made.Secret, Cost: 1}
		each(func() { w.code(verify.Valid, ask) })
		w.Must(w.DeleteRootKey(t.Context(), w.Access.WorkspaceID, id))
		each(func() {
			w.refusedAs(keys.KindUnauthenticated, ask)
			w.refusedAs(keys.KindUnauthenticated, verify.Request{RootKey: by, Secret: keys.NewSecret("nobody's"), Cost: 1})
			w.code(verify.Valid, verify.Request{RootKey: staying, Secret: made.Secret, Cost: 1})
		})
		if _, _, err := w.CreateRootKey(t.Context(), w.Access.WorkspaceID, keys.RootDraft{Grants: []string{keys.Everything}, Secret: by}); keys.AsError(err).Kind != keys.KindGone {
			t.Errorf("it was made again: %v", err)
		}
		each(func() { w.refusedAs(keys.KindUnauthenticated, ask) })
		if left := w.Left(made.ID).Balance; left != 94 {
			t.Errorf("%d uses left of 100 after six valid verifications", left)
		}
		if err := w.DeleteRootKey(t.Context(), w.Access.WorkspaceID, id); keys.AsError(err).Kind != keys.KindNotFound {
			t.Errorf("deleting it again: %v", err)
		}
	})
}

// A root key ends by the store's clock, and what it asks for afterwards is not
// spent, whatever the answer would have been.
func TestExpiredRootKey(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		w := newWorld(t, c)
		end := clock.Now().Add(time.Hour).UnixMilli()
		_, by := w.root(keys.RootDraft{Grants: []string{keys.Everything}, Expires: end})
		_, staying := w.root(keys.RootDraft{Grants: []string{keys.Everything}})
		drafts := map[verify.Code]keys.KeyDraft{
			verify.Valid:         {Remaining: keystest.Uses(5)},
			verify.UsageExceeded: {Remaining: keystest.Uses(0)},
			verify.Disabled:      {Disabled: true},
			verify.Expired:       {Expires: end - 1000},
			verify.RateLimited:   {Limits: []ratelimit.Limit{limit("l", 1)}},
		}
		var asks []verify.Request
		for code, draft := range drafts {
			ask := verify.Request{Secret: w.Create(draft).Secret, Cost: 1}
			if code == verify.RateLimited {
				ask.Limits = []verify.LimitRequest{{Name: "l", Cost: 2}}
			}
			asks = append(asks, ask)
		}
		asks = append(asks, verify.Request{Secret: keys.NewSecret("nobody's"), Cost: 1})
		for i := range asks {
			asks[i].RootKey = by
			w.Check(asks[i])
		}
		clock.Advance(time.Hour)
		for _, ask := range asks {
			w.refusedAs(keys.KindExpired, ask)
			ask.RootKey = staying
			w.Check(ask)
		}
	})
}

// A key's own end counts although its root key goes on, and the other way round.
func TestKeyEndsBeforeItsRootKey(t *testing.T) {
	redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) {
		w := newWorld(t, c)
		_, by := w.root(keys.RootDraft{Grants: []string{keys.Everything}, Expires: clock.Now().Add(2 * time.Hour).UnixMilli()})
		ask := verify.Request{RootKey: by, Secret: w.Create(keys.KeyDraft{Expires: clock.Now().Add(time.Hour).UnixMilli()}).Secret, Cost: 1}
		w.code(verify.Valid, ask)
		clock.Advance(time.Hour)
		w.code(verify.Expired, ask)
		clock.Advance(time.Hour)
		w.refusedAs(keys.KindExpired, ask)
	})
}

// A warm verification on behalf of a root key is one call to Redis.
func TestAskingIsOneRoundTrip(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		_, by := w.root(keys.RootDraft{Grants: []string{keys.Everything}})
		warm := verify.Request{RootKey: by, Secret: w.Create(keys.KeyDraft{Remaining: keystest.Uses(100), Limits: []ratelimit.Limit{limit("l", 100)}}).Secret, Cost: 1}
		unknown := verify.Request{RootKey: by, Secret: keys.NewSecret("nobody's"), Cost: 1}
		redistest.FailOverNow(c)
		w.code(verify.Valid, warm)
		w.code(verify.NotFound, unknown)
		trips := redistest.CountTrips(c)
		for range 10 {
			w.code(verify.Valid, warm)
			w.code(verify.NotFound, unknown)
		}
		if n := trips.Take(); n != 20 {
			t.Errorf("20 warm verifications were %d calls to Redis", n)
		}
	})
}

// A root key whose uses are counted spends one for each verification it asks for,
// and with none left asks for nothing.
func TestRootKeyWithUses(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		made := w.Create(keys.KeyDraft{Remaining: keystest.Uses(100)})
		id, by := w.root(keys.RootDraft{Grants: []string{keys.Everything}})
		name, _ := layout.RecordName(by.Digest())
		record := keys.Key{ID: id, WorkspaceID: w.Access.WorkspaceID, Digest: by.Digest(), HasCredits: true, Root: &keys.Root{Grants: []string{"*"}}}
		raw, err := cbor.Marshal(record)
		w.Must(err)
		header := append(append(layout.AppendU56([]byte{'1'}, 1), layout.AppendU56(nil, 3)...), make([]byte, 8)...)
		w.Must(c.Set(t.Context(), name, append(header, raw...), 0).Err())
		ask := verify.Request{RootKey: by, Secret: made.Secret, Cost: 1}
		for range 3 {
			w.code(verify.Valid, ask)
		}
		w.refusedAs(keys.KindUsageExceeded, ask)
		if left := w.Left(made.ID).Balance; left != 97 {
			t.Errorf("%d uses left of 100 after three valid verifications", left)
		}
	})
}
