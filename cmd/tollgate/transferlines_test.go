package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/transfer"
)

const version1 = "testdata/transfer/version1.jsonl"

// A file of the format before is stored whole, its counters as well, which stand in
// it before what they belong to. What is exported then is of the present format.
func TestImportOfVersion1(t *testing.T) {
	to := redistest.Start(t)
	out := tollgate(t, "import", "--redis", to.URL(), version1).must(t)
	if !strings.Contains(out, "6 records stored, 0 were there already") {
		t.Error(out)
	}
	again := tollgate(t, "import", "--redis", to.URL(), version1).must(t)
	if !strings.Contains(again, "0 records stored, 6 were there already") {
		t.Error(again)
	}
	file := filepath.Join(t.TempDir(), "now.jsonl")
	tollgate(t, "export", "--redis", to.URL(), file).must(t)
	now := records(t, file)
	for _, record := range records(t, version1) {
		if !strings.Contains(record, "Version:1") && !slices.Contains(now, record) {
			t.Errorf("%s is missing", record)
		}
	}
}

// broken is a file whose line n is another text.
func broken(t *testing.T, n int, text string) string {
	t.Helper()
	whole, err := os.ReadFile(version1)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(whole, []byte("\n"))
	lines[n-1] = []byte(text)
	name := filepath.Join(t.TempDir(), "broken.jsonl")
	if err := os.WriteFile(name, bytes.Join(lines, []byte("\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func line(t *testing.T, n int, edit func(*transfer.ExportRecord)) string {
	t.Helper()
	whole, err := os.ReadFile(version1)
	if err != nil {
		t.Fatal(err)
	}
	var l transfer.ExportRecord
	if err := json.Unmarshal(bytes.Split(whole, []byte("\n"))[n-1], &l); err != nil {
		t.Fatal(err)
	}
	edit(&l)
	text, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A line that can't be is named, with its field, and nothing of it is stored; with
// the line as it was the import goes on.
func TestImportNamesBadLine(t *testing.T) {
	to := redistest.Start(t)
	for _, row := range []struct {
		n    int
		text string
		want string
	}{
		{7, "{", "unexpected EOF"},
		{7, `{"key":7}`, "key: is a number"},
		{7, `{"surprise":1}`, `unknown field "surprise"`},
		{7, `{}`, "says 0 things"},
		{7, line(t, 7, func(l *transfer.ExportRecord) { l.Tombstone = l.Key }), "says 2 things"},
		{7, line(t, 7, func(l *transfer.ExportRecord) { l.Key = "key_other" }), "key: is not the id"},
		{7, line(t, 7, func(l *transfer.ExportRecord) { l.Stored = l.Stored[:30] }), "stored: is no record of a key"},
		{7, line(t, 7, func(l *transfer.ExportRecord) { l.Stored[8] = 0xff }), "stored: has a balance"},
		{7, line(t, 7, func(l *transfer.ExportRecord) { l.Used = []byte("never") }), "used: is no moment"},
		{7, line(t, 7, func(l *transfer.ExportRecord) {
			l.Stored = bytes.Replace(l.Stored, []byte("ws_17"), []byte("ws_18"), 1)
		}), "stored: is a key of another workspace"},
		{7, line(t, 7, func(l *transfer.ExportRecord) {
			l.Stored = bytes.Replace(l.Stored, []byte("api_17"), []byte("api_18"), 1)
		}), "which the workspace does not have"},
		{4, line(t, 4, func(l *transfer.ExportRecord) { l.ID = "id_other" }), "id: is not the id of the record"},
		{4, line(t, 4, func(l *transfer.ExportRecord) { l.Kind = "role" }), "is no"},
		{4, line(t, 4, func(l *transfer.ExportRecord) { l.Kind = "planet" }), `noun: this version does not know "planet"`},
		{3, line(t, 3, func(l *transfer.ExportRecord) { l.Counter = "tg:w" }), "counter: is not the name of a counter"},
		{3, line(t, 3, func(l *transfer.ExportRecord) { l.Stored = l.Stored[1:] }), "stored: a counter has 21 bytes"},
		{3, line(t, 3, func(l *transfer.ExportRecord) { l.TTL = -1 }), "ttl: "},
	} {
		to.Do("FLUSHALL")
		file := broken(t, row.n, row.text)
		r := tollgate(t, "import", "--redis", to.URL(), file)
		if r.err == nil || !strings.Contains(r.out, fmt.Sprintf("%s:%d: ", file, row.n)) || !strings.Contains(r.out, row.want) {
			t.Errorf("line %d as %.60s: %v\n%swant %s", row.n, row.text, r.err, r.out, row.want)
		}
		if row.n == 7 && to.Do("EXISTS", "tg:i:key_17DcgjkTuY1hBzgx5") != int64(0) {
			t.Errorf("%.60s: something of the line was stored", row.text)
		}
		if tollgate(t, "import", "--redis", to.URL(), version1).must(t) == "" {
			t.Error("the whole file was refused afterwards")
		}
	}
}

// Two names for one workspace, and one name for two, are refused, and say why.
func TestImportCollides(t *testing.T) {
	to := redistest.Start(t)
	tollgate(t, "import", "--redis", to.URL(), "--workspace", "first", version1).must(t)
	twice := tollgate(t, "import", "--redis", to.URL(), "--workspace", "second", version1)
	if twice.err == nil || !strings.Contains(twice.out, "has the workspace of this file already, under the name first") {
		t.Errorf("%v %s", twice.err, twice.out)
	}
	other := broken(t, 1, strings.Replace(line(t, 1, func(*transfer.ExportRecord) {}), "ws_17", "ws_18", 1))
	one := tollgate(t, "import", "--redis", to.URL(), "--workspace", "first", other)
	if one.err == nil || !strings.Contains(one.out, "has another workspace called first") {
		t.Errorf("%v %s", one.err, one.out)
	}
	text, err := os.ReadFile(version1)
	if err != nil {
		t.Fatal(err)
	}
	// The same ids in a workspace of another id: what it would take from the first is refused.
	forged := filepath.Join(t.TempDir(), "forged.jsonl")
	if err := os.WriteFile(forged, forge(t, text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := tollgate(t, "import", "--redis", to.URL(), "--workspace", "second", forged)
	if r.err == nil || !strings.Contains(r.out, "is another workspace's in this store") {
		t.Errorf("%v %s", r.err, r.out)
	}
}

// forge moves the records of a file to another workspace, with other digests.
func forge(t *testing.T, text []byte) []byte {
	t.Helper()
	var out []byte
	for one := range bytes.Lines(text) {
		var l transfer.ExportRecord
		if err := json.Unmarshal(one, &l); err != nil {
			t.Fatal(err)
		}
		l.Workspace = strings.Replace(l.Workspace, "ws_17", "ws_18", 1)
		l.Stored = bytes.ReplaceAll(l.Stored, []byte("ws_17"), []byte("ws_18"))
		if at := bytes.Index(l.Stored, []byte{0x04, 0x58, 0x20}); l.Key != "" && at > 0 {
			l.Stored[at+3] ^= 0xff // of the digest
		}
		again, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		out = append(append(out, again...), '\n')
	}
	return out
}
