package keystest

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"tollgate/keys/setupkeys"
	"tollgate/keys/store"
	"tollgate/keys/transfer"
	"tollgate/keys/usage"
)

// Transfer returns what exports from a store and imports into it.
func Transfer(s *store.Store) *transfer.Transfer {
	return transfer.New(setupkeys.New(s), usage.NewReader(s, 0))
}

// Export returns all records of the workspace, or what is missing behind some of them.
func (w *World) Export(begun ...transfer.ExportRecord) (all []transfer.ExportRecord) {
	w.TB.Helper()
	var from *transfer.ExportCheckpoint
	if n := len(begun); n > 0 {
		from = &transfer.ExportCheckpoint{Time: begun[0].Time, Last: begun[n-1]}
	}
	w.Must(Transfer(w.Store).Export(w.TB.Context(), w.Access.WorkspaceID, from, func(records []transfer.ExportRecord) error {
		all = append(all, records...)
		return nil
	}))
	return all
}

// ImportAll stores records of the workspace, which gets a name where it has none there.
func (w *World) ImportAll(records []transfer.ExportRecord) (total transfer.Imported) {
	w.TB.Helper()
	name := "moved " + w.Access.WorkspaceID
	if there, err := w.FindWorkspace(w.TB.Context(), "w"); err == nil && there == w.Access.WorkspaceID {
		name = "w"
	}
	to := Transfer(w.Store)
	w.Must(to.EnsureWorkspaceID(w.TB.Context(), name, w.Access.WorkspaceID))
	for part := range slices.Chunk(records, 170) {
		done, err := to.Import(w.TB.Context(), w.Access.WorkspaceID, part)
		w.Must(err)
		total.LeftOut = append(total.LeftOut, done.LeftOut...)
		total.Stored, total.Same, total.Different = total.Stored+done.Stored, total.Same+done.Same, total.Different+done.Different
	}
	w.Must(to.FinishImport(w.TB.Context(), w.Access.WorkspaceID))
	return total
}

// Sealer returns what seals plaintexts, with a keyset of its own.
func Sealer(tb testing.TB) *store.Sealer {
	tb.Helper()
	text, err := store.NewKeyset()
	file := filepath.Join(tb.TempDir(), "keyset.json")
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		tb.Fatal(err)
	}
	sealer, err := store.LoadSealer(file)
	if err != nil {
		tb.Fatal(err)
	}
	return sealer
}
