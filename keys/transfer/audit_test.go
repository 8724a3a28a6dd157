package transfer_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/keys/transfer"

	"github.com/redis/go-redis/v9"
)

// entriesOf are the entries of a workspace as JSON, the oldest first.
func entriesOf(w *keystest.World) (all []string) {
	w.TB.Helper()
	for q := (audit.Query{After: "aud_0000000000000000"}); ; {
		page, err := w.Audit.Entries(w.TB.Context(), w.Access, q)
		w.Must(err)
		for _, e := range page.Rows {
			text, err := json.Marshal(e)
			w.Must(err)
			all = append(all, string(text))
		}
		if q.After = page.Next; page.Next == "" {
			return all
		}
	}
}

// An export has the audit log, from wherever it goes on, and an import stores what is not there.
func TestAuditLogTravels(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		from := keystest.New(t, c, "w")
		from = from.OnStore(store.Open(c, store.Options{Timeout: keystest.Timeout, Audit: audit.Options{On: true, Wait: true}}))
		key := from.Create(keys.KeyDraft{Name: "one", Meta: []byte(`{"a":"<&>"}`)})
		for range 60 {
			from.Must(from.UpdateKey(t.Context(), from.Access, key.ID, keys.KeyPatch{Disabled: keys.To(true)}))
		}
		if err := from.DeleteAPI(t.Context(), from.Access, "api_unknown"); err == nil {
			t.Fatal("what is not there was deleted")
		}
		want, lines := entriesOf(from), from.Export()
		if len(want) != 62 {
			t.Fatalf("%d entries", len(want))
		}
		at := slices.IndexFunc(lines, func(l transfer.ExportRecord) bool { return l.Audit != "" })
		if at < 0 || !slices.EqualFunc(from.Export(lines[:at+30]...), lines[at+30:], func(a, b transfer.ExportRecord) bool { return a.Audit == b.Audit }) {
			t.Error("an export does not go on behind an entry")
		}
		other := redistest.Shared(t).Client()
		to := from.On(other)
		to.ImportAll(lines)
		if got := entriesOf(to); !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		if again := to.ImportAll(lines); again.Stored != 0 {
			t.Errorf("once more it stored %d", again.Stored)
		}
	})
}

// What can't be an entry is refused.
func TestImportedEntriesAreEntries(t *testing.T) {
	w := keystest.New(t, redistest.Client(t, redistest.Mini(t).Addr()), "w")
	good := `{"state":"done","action":"key.create","actor":{"type":"operator"}}`
	for _, l := range []transfer.ExportRecord{
		{Audit: "aud_1", Stored: []byte(good)},
		{Audit: "aud_1795730236650445", Stored: []byte(good)},
		{Audit: "aud_1795730236650445ACpZQ2\n", Stored: []byte(good)},
		{Audit: "aud_1795730236650445ACpZQ2", Stored: []byte(`{}`)},
		{Audit: "aud_1795730236650445ACpZQ2", Stored: []byte(`x`)},
		{Audit: "aud_1795730236650445ACpZQ2", Stored: make([]byte, audit.MaxSize+1)},
	} {
		var bad *transfer.BadRecord
		if _, err := keystest.Transfer(w.Store).Import(t.Context(), w.Access.WorkspaceID, []transfer.ExportRecord{l}); !errors.As(err, &bad) {
			t.Errorf("%q %.40q: %v", l.Audit, l.Stored, err)
		}
	}
	done, err := keystest.Transfer(w.Store).Import(t.Context(), w.Access.WorkspaceID, []transfer.ExportRecord{{Audit: "aud_1795730236650445ACpZQ2", Stored: []byte(good)}})
	if err != nil || done.Stored != 1 {
		t.Errorf("%+v, %v", done, err)
	}
}
