package transfer_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/setupkeys"
	"tollgate/keys/store"
	"tollgate/keys/transfer"
	"tollgate/ratelimit"
	"tollgate/refill"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// comparable drops what differs between two stores of the same content: when it was
// exported, revisions, the lives of counters, and the order of names.
func comparable(lines []transfer.ExportRecord) []string {
	var all []string
	for _, l := range lines {
		l.Time, l.TTL = 0, 0
		if l.Key != "" {
			l.Stored = slices.Clone(l.Stored)
			clear(l.Stored[1:8])
		}
		all = append(all, fmt.Sprintf("%+v", l))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// full fills a workspace with a thing of every kind, and gives keys to use.
func (s *world) full(gateway *verify.Verifier) (used keys.NewKey, root keys.Secret) {
	s.TB.Helper()
	s.Stock(703, func(i int) string { return fmt.Sprint("user", i%7) })
	used = s.Create(keys.KeyDraft{
		Prefix: "live", Name: "used", ExternalID: "user1", Meta: []byte(`{"a":1}`), Permissions: keys.Named([]string{"Docs.read"}, catalog.CreateFreely),
		Roles: keys.Named([]string{"admin"}, catalog.CreateFreely), Remaining: keystest.Uses(10), Refill: &refill.Schedule{Amount: 100},
		Limits: []ratelimit.Limit{{Name: "l", Limit: 9, Duration: 24 * 3600_000, AutoApply: true}},
	})
	limits := []ratelimit.Limit{{Name: "shared", Limit: 9, Duration: 24 * 3600_000, AutoApply: true}}
	_, err := s.UpdateIdentity(s.TB.Context(), s.Access, keys.IdentityRef{ExternalID: "user1"}, keys.IdentityPatch{Limits: keys.To(limits)})
	s.Must(err)
	_, err = setupkeys.New(s.Store).CreateGroup(s.TB.Context(), s.Access, "group")
	s.Must(err)
	s.Must(s.AllowIPs(s.TB.Context(), s.Access, s.APIID, []string{"0.0.0.0/0", "::/0"}))
	s.Must(s.AllowIPs(s.TB.Context(), s.Access, s.APIID, nil))
	_, root, err = s.CreateRootKey(s.TB.Context(), s.Access.WorkspaceID, keys.RootDraft{Grants: []string{"api.*.read_key"}})
	s.Must(err)
	for range 3 {
		if o, err := gateway.Verify(s.TB.Context(), &verify.Request{Secret: used.Secret, Cost: 1}); err != nil || o.Code != verify.Valid {
			s.TB.Fatalf("%+v %v", o, err)
		}
	}
	return used, root
}

// A workspace that is exported and imported elsewhere is the same there: what is
// defined, who may do what, and what is left of each balance and limit. Nothing of
// it is a secret. Importing it again changes nothing.
func TestExportAndImport(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		old := newWorld(t, c, "w")
		used, root := old.full(verify.New(old.Store, verify.Options{Timeout: 10 * time.Second}))
		lines := old.Export()
		for _, l := range lines {
			for _, secret := range []string{used.Secret.Reveal(), root.Reveal(), "stock_"} {
				if strings.Contains(string(l.Stored), secret) {
					t.Fatal("a secret was exported")
				}
			}
		}

		there := redistest.Empty(t)
		moved := &world{old.On(there)}
		total := moved.ImportAll(lines)
		if total.Different != 0 || total.Same != 0 {
			t.Errorf("%+v", total)
		}
		if got, want := comparable(moved.Export()), comparable(lines); !slices.Equal(got, want) {
			t.Errorf("%d records became %d", len(want), len(got))
		}
		if again := moved.ImportAll(lines); again.Stored != 0 || again.Different != 0 {
			t.Errorf("a second time: %+v", again)
		}

		gateway := verify.New(moved.Store, verify.Options{Timeout: 10 * time.Second})
		if o, err := gateway.Verify(t.Context(), &verify.Request{Secret: used.Secret, Cost: 1}); err != nil || o.Code != verify.Valid || *o.Remaining != 6 ||
			o.Limits[0].Remaining != 5 || o.Limits[1].Remaining != 5 {
			t.Errorf("%+v %v", o, err)
		}
		if caller, err := gateway.Authenticate(t.Context(), root, netip.Addr{}); err != nil || caller.WorkspaceID != old.Access.WorkspaceID {
			t.Errorf("%+v %v", caller, err)
		}
		if got, want := moved.Pages(store.KeyQuery{Limit: 100, ExternalID: "user1"}, true), old.Pages(store.KeyQuery{Limit: 100, ExternalID: "user1"}, true); !slices.Equal(got, want) {
			t.Errorf("%d keys of an identity became %d", len(want), len(got))
		}
		if again := moved.ImportAll(lines); again.Stored != 0 || moved.Read(used.ID).State.Balance != 6 {
			t.Errorf("an import took a use back: %+v", again)
		}
		s := moved.Export()
		if got := comparable(s); len(got) != len(comparable(lines)) {
			t.Errorf("%d", len(got))
		}
	})
}

// Behind whatever line an export was cut off, it goes on and leaves nothing out.
func TestExportGoesOn(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		s.full(verify.New(s.Store, verify.Options{Timeout: 10 * time.Second}))
		other, err := s.CreateAPI(t.Context(), s.Access, "other")
		s.Must(err)
		s.APIID = other.ID
		s.Stock(7, nil)
		lines := s.Export()
		want := comparable(lines)
		for i := 0; i < len(lines)-1 && !lines[i].Scan; i += 1 + i/3 {
			rest := s.Export(lines[:i+1]...)
			if got := comparable(slices.Concat(lines[:i+1], rest)); !slices.Equal(got, want) {
				t.Errorf("cut off behind %d of %d, %+v: %d", i+1, len(lines), lines[i], len(got))
			}
		}
	})
}

// What is there with another content is left, and counted; a name that is another
// workspace's, an API that is still being removed and a line of another workspace
// are refused.
func TestImportChangesNothing(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		s := newWorld(t, c, "w")
		lines := s.Export()
		s.Must(s.AllowIPs(t.Context(), s.Access, s.APIID, []string{"10.0.0.1"}))
		if done := s.ImportAll(lines); done.Different != 1 {
			t.Errorf("%+v", done)
		}
		api, err := s.API(t.Context(), s.Access, s.APIID)
		s.Must(err)
		if len(api.AllowedIPs) != 1 {
			t.Error("an import took a change back")
		}
		s.Must(s.DeleteAPI(t.Context(), s.Access, s.APIID))
		if _, err := keystest.Transfer(s.Store).Import(t.Context(), s.Access.WorkspaceID, lines); keystest.Kind(err) != keys.KindPrecondition {
			t.Errorf("an API that is being removed: %v", err)
		}
		if err := keystest.Transfer(s.Store).EnsureWorkspaceID(t.Context(), "w", "ws_other"); keystest.Kind(err) != keys.KindConflict {
			t.Errorf("a name that is taken: %v", err)
		}
		other := newWorld(t, c, "other")
		made := other.Create(keys.KeyDraft{})
		for _, l := range other.Export() {
			if l.Key != made.ID {
				continue
			}
			if _, err := keystest.Transfer(s.Store).Import(t.Context(), s.Access.WorkspaceID, []transfer.ExportRecord{l}); keystest.Kind(err) != keys.KindInvalid {
				t.Errorf("a key of another workspace: %v", err)
			}
		}
	})
}
