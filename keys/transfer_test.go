package keys_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/setupkeys"
	"tollgate/keys/store"
	"tollgate/keys/transfer"
	"tollgate/keys/usage"
	"tollgate/ratelimit"
	"tollgate/refill"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// export returns all lines of a workspace, or what is missing behind some of them.
func (s *shop) export(begun ...transfer.ExportRecord) (all []transfer.ExportRecord) {
	s.t.Helper()
	var from *transfer.ExportCheckpoint
	if n := len(begun); n > 0 {
		from = &transfer.ExportCheckpoint{Time: begun[0].Time, Last: begun[n-1]}
	}
	s.must(transfers(s.Store).Export(s.t.Context(), s.access.WorkspaceID, from, func(lines []transfer.ExportRecord) error {
		all = append(all, lines...)
		return nil
	}))
	return all
}

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
func (s *shop) full(gateway *verify.Verifier) (used keys.NewKey, root keys.Secret) {
	s.t.Helper()
	s.stock(703, func(i int) string { return fmt.Sprint("user", i%7) })
	used = s.create(keys.KeyDraft{
		Prefix: "live", Name: "used", ExternalID: "user1", Meta: []byte(`{"a":1}`), Permissions: keys.Named([]string{"Docs.read"}, catalog.CreateFreely),
		Roles: keys.Named([]string{"admin"}, catalog.CreateFreely), Remaining: count(10), Refill: &refill.Schedule{Amount: 100},
		Limits: []ratelimit.Limit{{Name: "l", Limit: 9, Duration: 24 * 3600_000, AutoApply: true}},
	})
	limits := []ratelimit.Limit{{Name: "shared", Limit: 9, Duration: 24 * 3600_000, AutoApply: true}}
	_, err := s.UpdateIdentity(s.t.Context(), s.access, keys.IdentityRef{ExternalID: "user1"}, keys.IdentityPatch{Limits: keys.To(limits)})
	s.must(err)
	_, err = setupkeys.New(s.Store).CreateGroup(s.t.Context(), s.access, "group")
	s.must(err)
	s.must(s.AllowIPs(s.t.Context(), s.access, s.api, []string{"0.0.0.0/0", "::/0"}))
	s.must(s.AllowIPs(s.t.Context(), s.access, s.api, nil))
	_, root, err = s.CreateRootKey(s.t.Context(), s.access.WorkspaceID, keys.RootDraft{Grants: []string{"api.*.read_key"}})
	s.must(err)
	for range 3 {
		if o, err := gateway.Verify(s.t.Context(), &verify.Request{Secret: used.Secret, Cost: 1}); err != nil || o.Code != verify.Valid {
			s.t.Fatalf("%+v %v", o, err)
		}
	}
	return used, root
}

// A workspace that is exported and imported elsewhere is the same there: what is
// defined, who may do what, and what is left of each balance and limit. Nothing of
// it is a secret. Importing it again changes nothing.
func TestExportAndImport(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		old := open(t, c, "w")
		used, root := old.full(verify.New(old.Store, verify.Options{Timeout: 10 * time.Second}))
		lines := old.export()
		for _, l := range lines {
			for _, secret := range []string{used.Secret.Reveal(), root.Reveal(), "stock_"} {
				if strings.Contains(string(l.Stored), secret) {
					t.Fatal("a secret was exported")
				}
			}
		}

		there := redistest.Empty(t)
		moved := &shop{Store: store.Open(there, store.Options{Timeout: 10 * time.Second}), t: t, access: old.access, api: old.api}
		total := moved.importAll(lines)
		if total.Different != 0 || total.Same != 0 {
			t.Errorf("%+v", total)
		}
		if got, want := comparable(moved.export()), comparable(lines); !slices.Equal(got, want) {
			t.Errorf("%d records became %d", len(want), len(got))
		}
		if again := moved.importAll(lines); again.Stored != 0 || again.Different != 0 {
			t.Errorf("a second time: %+v", again)
		}

		gateway := verify.New(moved.Store, verify.Options{Timeout: 10 * time.Second})
		if o, err := gateway.Verify(t.Context(), &verify.Request{Secret: used.Secret, Cost: 1}); err != nil || o.Code != verify.Valid || *o.Remaining != 6 ||
			o.Limits[0].Remaining != 5 || o.Limits[1].Remaining != 5 {
			t.Errorf("%+v %v", o, err)
		}
		if caller, err := gateway.Authenticate(t.Context(), root, netip.Addr{}); err != nil || caller.WorkspaceID != old.access.WorkspaceID {
			t.Errorf("%+v %v", caller, err)
		}
		if got, want := moved.pages(store.KeyQuery{Limit: 100, ExternalID: "user1"}, true), old.pages(store.KeyQuery{Limit: 100, ExternalID: "user1"}, true); !slices.Equal(got, want) {
			t.Errorf("%d keys of an identity became %d", len(want), len(got))
		}
		if again := moved.importAll(lines); again.Stored != 0 || moved.read(used.ID).State.Balance != 6 {
			t.Errorf("an import took a use back: %+v", again)
		}
		s := moved.export()
		if got := comparable(s); len(got) != len(comparable(lines)) {
			t.Errorf("%d", len(got))
		}
	})
}

func (s *shop) importAll(lines []transfer.ExportRecord) (total transfer.Imported) {
	s.t.Helper()
	name := "moved " + s.access.WorkspaceID
	if there, err := s.FindWorkspace(s.t.Context(), "w"); err == nil && there == s.access.WorkspaceID {
		name = "w"
	}
	s.must(transfers(s.Store).EnsureWorkspaceID(s.t.Context(), name, s.access.WorkspaceID))
	for part := range slices.Chunk(lines, 170) {
		done, err := transfers(s.Store).Import(s.t.Context(), s.access.WorkspaceID, part)
		s.must(err)
		total.LeftOut = append(total.LeftOut, done.LeftOut...)
		total.Stored, total.Same, total.Different = total.Stored+done.Stored, total.Same+done.Same, total.Different+done.Different
	}
	s.must(transfers(s.Store).FinishImport(s.t.Context(), s.access.WorkspaceID))
	return total
}

// Behind whatever line an export was cut off, it goes on and leaves nothing out.
func TestExportGoesOn(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		s := open(t, c, "w")
		s.full(verify.New(s.Store, verify.Options{Timeout: 10 * time.Second}))
		other, err := s.CreateAPI(t.Context(), s.access, "other")
		s.must(err)
		s.api = other.ID
		s.stock(7, nil)
		lines := s.export()
		want := comparable(lines)
		for i := 0; i < len(lines)-1 && !lines[i].Scan; i += 1 + i/3 {
			rest := s.export(lines[:i+1]...)
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
		s := open(t, c, "w")
		lines := s.export()
		s.must(s.AllowIPs(t.Context(), s.access, s.api, []string{"10.0.0.1"}))
		if done := s.importAll(lines); done.Different != 1 {
			t.Errorf("%+v", done)
		}
		api, err := s.API(t.Context(), s.access, s.api)
		s.must(err)
		if len(api.AllowedIPs) != 1 {
			t.Error("an import took a change back")
		}
		s.must(s.DeleteAPI(t.Context(), s.access, s.api))
		if _, err := transfers(s.Store).Import(t.Context(), s.access.WorkspaceID, lines); kind(err) != keys.KindPrecondition {
			t.Errorf("an API that is being removed: %v", err)
		}
		if err := transfers(s.Store).EnsureWorkspaceID(t.Context(), "w", "ws_other"); kind(err) != keys.KindConflict {
			t.Errorf("a name that is taken: %v", err)
		}
		other := open(t, c, "other")
		made := other.create(keys.KeyDraft{})
		for _, l := range other.export() {
			if l.Key != made.ID {
				continue
			}
			if _, err := transfers(s.Store).Import(t.Context(), s.access.WorkspaceID, []transfer.ExportRecord{l}); kind(err) != keys.KindInvalid {
				t.Errorf("a key of another workspace: %v", err)
			}
		}
	})
}

// transfers exports from a store and imports into it.
func transfers(s *store.Store) *transfer.Transfer {
	return transfer.New(setupkeys.New(s), usage.NewReader(s, 0))
}
