package transfer

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/layout"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/setupkeys"
	"tollgate/keys/store"
	"tollgate/keys/usage"
	"tollgate/ratelimit"
)

// fuzzStore is a store that is patient, on a real Redis: miniredis reads "[+" as the end of a list.
func fuzzStore(f *testing.F) *store.Store {
	f.Helper()
	return store.Open(redistest.Shared(f).Client(), store.Options{Timeout: 5 * time.Second})
}

// village is a workspace with some of everything that is listed.
type village struct {
	access keys.Access
	api    string
	lists  map[string][]string // ids, sorted, by what they are of
}

func newVillage(f *testing.F, s *store.Store, name string) *village {
	f.Helper()
	ws, err := s.Workspace(f.Context(), name)
	must := func(err error) {
		f.Helper()
		if err != nil {
			f.Fatal(err)
		}
	}
	must(err)
	v := &village{access: keys.Operator(ws).As(), lists: map[string][]string{}}
	api, err := s.CreateAPI(f.Context(), v.access, "village")
	must(err)
	v.api = api.ID
	for _, n := range []string{"one", "two", "three", "four", "five"} {
		key, err := s.CreateKey(f.Context(), v.access, keys.KeyDraft{APIID: v.api, Name: n})
		must(err)
		permission, err := s.CreatePermission(f.Context(), v.access, keys.PermissionDraft{Name: n})
		must(err)
		role, err := s.CreateRole(f.Context(), v.access, keys.RoleDraft{Name: n})
		must(err)
		identity, err := s.CreateIdentity(f.Context(), v.access, keys.IdentityDraft{ExternalID: n})
		must(err)
		override, err := s.SetOverride(f.Context(), v.access, keys.NamespaceRef{Name: "space", Create: true}, keys.Override{Identifier: n, Limit: 1, Duration: ratelimit.MinDuration})
		must(err)
		for kind, id := range map[string]string{"keys": key.ID, "permissions": permission.ID, "roles": role.ID, "identities": identity.ID, "overrides": override} {
			v.lists[kind] = append(v.lists[kind], id)
		}
	}
	for _, ids := range v.lists {
		slices.Sort(ids)
	}
	return v
}

// list reads two rows of each list from a cursor on, behind it or with it, and gives their
// ids; a list that refuses the cursor has none.
func (v *village) list(t *testing.T, s *store.Store, after, from string) map[string][]string {
	t.Helper()
	got := map[string][]string{}
	refused := func(err error) bool {
		if err != nil && keys.AsError(err).Kind != keys.KindInvalid {
			t.Fatal(err)
		}
		return err != nil
	}
	ask := catalog.ListOptions{Limit: 2, After: after, From: from}
	if page, err := s.Keys(t.Context(), v.access, store.KeyQuery{APIID: v.api, After: after, From: from, Limit: 2}); !refused(err) {
		for _, k := range page.Keys {
			got["keys"] = append(got["keys"], k.Key.ID)
		}
	}
	if page, err := s.Permissions(t.Context(), v.access, ask); !refused(err) {
		for _, p := range page.Rows {
			got["permissions"] = append(got["permissions"], p.ID)
		}
	}
	if page, err := s.Roles(t.Context(), v.access, ask); !refused(err) {
		for _, r := range page.Rows {
			got["roles"] = append(got["roles"], r.ID)
		}
	}
	if page, err := s.Identities(t.Context(), v.access, ask); !refused(err) {
		for _, i := range page.Rows {
			got["identities"] = append(got["identities"], i.ID)
		}
	}
	if page, err := s.ListOverrides(t.Context(), v.access, keys.NamespaceRef{Name: "space"}, catalog.OverrideCursor{After: after, From: from}, 2); !refused(err) {
		for _, o := range page.Overrides {
			got["overrides"] = append(got["overrides"], o.ID)
		}
	}
	return got
}

// prefixes are those of the ids in each list.
func (v *village) prefixes() map[string]string {
	return map[string]string{"keys": keys.PrefixKey, "permissions": keys.PrefixPermission, "roles": keys.PrefixRole, "identities": keys.PrefixIdentity, "overrides": keys.PrefixOverride}
}

// Whatever a cursor says, a list refuses it or gives the rows behind it, in order, of its own
// workspace. It refuses exactly what can't be an id of the list.
func FuzzCursor(f *testing.F) {
	s := fuzzStore(f)
	mine, other := newVillage(f, s, "mine"), newVillage(f, s, "other")
	for _, seed := range []string{"", "key_", "+", "-", "(", "[", "\xff", "key_1\x00", "perm_zzzz", "}{" + "tg:l:", strings.Repeat("z", 2000)} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	for _, v := range []*village{mine, other} {
		for _, ids := range v.lists {
			f.Add(ids[2], true)
			f.Add(ids[2][:len(ids[2])-1], false)
		}
	}
	f.Fuzz(func(t *testing.T, cursor string, behind bool) {
		after, from := "", cursor
		if behind {
			after, from = cursor, ""
		}
		got := mine.list(t, s, after, from)
		for kind, ids := range mine.lists {
			want := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id < from || after != "" && id <= after })
			if want = want[:min(2, len(want))]; cursor != "" && !keys.MadeBy(mine.prefixes()[kind], cursor) {
				want = nil
			}
			if !slices.Equal(got[kind], want) {
				t.Errorf("%s from %q, behind it %t: %v, want %v", kind, cursor, behind, got[kind], want)
			}
		}
	})
}

// A line of an import is stored or refused by an error that names it, and whichever it
// is, nothing of another workspace changes.
func FuzzImport(f *testing.F) {
	s := fuzzStore(f)
	mine, other := newVillage(f, s, "mine"), newVillage(f, s, "other")
	for _, v := range []*village{mine, other} {
		err := New(setupkeys.New(s), usage.NewReader(s, 0)).Export(f.Context(), v.access.WorkspaceID, nil, func(lines []ExportRecord) error {
			for _, l := range lines {
				text, _ := json.Marshal(l) // a Line always encodes
				f.Add(text)
			}
			return nil
		})
		if err != nil {
			f.Fatal(err)
		}
	}
	f.Add([]byte(`{"key":"key_1","stored":"MQ=="}`))
	f.Add([]byte(`{"counter":"tg:k:{00}x","ttl":1,"stored":"AA=="}`))
	f.Add([]byte(`{"noun":"api","id":"","name":"x"}`))
	before := storedOf(f, s, other)
	f.Fuzz(func(t *testing.T, text []byte) {
		var l ExportRecord
		if json.Unmarshal(text, &l) != nil {
			return
		}
		_, err := New(setupkeys.New(s), usage.NewReader(s, 0)).Import(t.Context(), mine.access.WorkspaceID, []ExportRecord{l})
		var bad *BadRecord
		if kind := keys.AsError(err); err != nil && (kind.Kind == keys.KindInternal || kind.Kind == keys.KindInvalid && !errors.As(err, &bad)) {
			t.Fatalf("%s: %v", text, err)
		}
		if now := storedOf(t, s, other); !maps.Equal(now, before) {
			t.Fatalf("%s changed another workspace", text)
		}
	})
}

// storedOf is what Redis has that belongs to a village.
func storedOf(tb testing.TB, s *store.Store, v *village) map[string]string {
	tb.Helper()
	all := map[string]string{}
	names := []string{"tg:l:" + v.api}
	for kind, n := range map[string]layout.Kind{"permissions": layout.KindPermission, "roles": layout.KindRole, "identities": layout.KindIdentity} {
		names = append(names, layout.ListName(v.access.WorkspaceID, n), layout.UniqueName(v.access.WorkspaceID, n))
		for _, id := range v.lists[kind] {
			names = append(names, layout.DefinitionName(v.access.WorkspaceID, n, id))
		}
	}
	for _, id := range v.lists["keys"] {
		at, err := s.Redis().Get(tb.Context(), layout.IndexName(id)).Result()
		if err != nil {
			tb.Fatal(err)
		}
		names = append(names, layout.IndexName(id), layout.Place{Text: at}.Record())
	}
	for _, name := range names {
		dumped, err := s.Redis().Dump(tb.Context(), name).Result()
		if err != nil {
			tb.Fatal(name, err)
		}
		all[name] = dumped
	}
	return all
}
