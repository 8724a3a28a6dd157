package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tollgate/keys/redisdb/redistest"
)

// A store whose backup and restore are killed at any moment, and started again each time,
// arrives whole, every record compared. The file is only there when it is complete.
func TestBackupSurvivesKill(t *testing.T) {
	from, to := redistest.Start(t), redistest.Start(t)
	seed(t, from.URL())
	dir := t.TempDir()
	file := filepath.Join(dir, "store.backup")
	if killed := killedUntilDone(t, "backup", "--yes", "--redis", from.URL(), file); killed == 0 {
		t.Error("the backup was never caught under way")
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	text, err := os.ReadFile(file)
	if err != nil || bytes.Contains(text, []byte("secret_of_number")) {
		t.Fatal("a secret is in the file", err)
	}
	if killed := killedUntilDone(t, "restore", "--yes", "--redis", to.URL(), file); killed == 0 {
		t.Error("the restore was never caught under way")
	}
	again := filepath.Join(dir, "again.backup")
	tollgate(t, "backup", "--redis", to.URL(), again).must(t)
	if got, want := withoutImports(records(t, again)), withoutImports(records(t, file)); !slices.Equal(got, want) {
		t.Errorf("%d records became %d", len(want), len(got))
	}
	out := tollgate(t, "restore", "--yes", "--redis", to.URL(), file).must(t)
	if !strings.Contains(out, "0 records stored") || !strings.Contains(out, "every record was compared") {
		t.Errorf("restoring again: %s", out)
	}
}

// withoutImports leaves out the entries of the audit log: an import has one itself.
func withoutImports(all []string) []string {
	return slices.DeleteFunc(all, func(l string) bool { return strings.Contains(l, " Audit:aud_") })
}

// Where there is no terminal a line every few seconds says how far it is.
func TestProgressWithoutTerminal(t *testing.T) {
	reads, writes := pipe(t)
	defer func(before *os.File) { os.Stderr = before }(os.Stderr)
	os.Stderr = writes
	m := progress(100, "backup")
	m.add(10) // too soon for a line
	m.told = m.told.Add(-progressEvery)
	m.add(7)
	m.told = m.told.Add(-progressEvery)
	m.add(143) // more than was thought
	m.finish()
	writes.Close()
	var said bytes.Buffer
	if _, err := said.ReadFrom(reads); err != nil {
		t.Fatal(err)
	}
	if want := "backup: 17 of about 100 records\nbackup: 160 of about 180 records\n"; said.String() != want {
		t.Errorf("%q, want %q", said.String(), want)
	}
}
