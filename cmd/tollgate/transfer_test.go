package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/redisdb/redistest/proc"
	"tollgate/keys/store"
	"tollgate/keys/transfer"
	"tollgate/keys/usage"
	"tollgate/verify"
)

// transferKeys is large enough for a kill to find a transfer under way.
const transferKeys = 20_000

// A workspace whose export and import are killed at any moment, and started again
// each time, arrives whole: the file is only there when it is complete, only its
// owner can read it, and no secret is in it.
func TestTransferSurvivesKill(t *testing.T) {
	from, to := redistest.Start(t), redistest.Start(t)
	seed(t, from.URL())
	dir := t.TempDir()
	file := filepath.Join(dir, "workspace.jsonl")
	killed := killedUntilDone(t, "export", "--yes", "--redis", from.URL(), file)
	if killed == 0 {
		t.Error("the export was never caught under way")
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	text, err := os.ReadFile(file)
	if err != nil || bytes.Contains(text, []byte("secret_of_number")) {
		t.Fatal("a secret is in the file", err)
	}
	if killed := killedUntilDone(t, "import", "--redis", to.URL(), file); killed == 0 {
		t.Error("the import was never caught under way")
	}

	again := filepath.Join(dir, "again.jsonl")
	tollgate(t, "export", "--redis", to.URL(), again).must(t)
	if got, want := records(t, again), records(t, file); !slices.Equal(withoutImports(got), withoutImports(want)) {
		t.Errorf("%d records became %d", len(want), len(got))
	}
	out := tollgate(t, "import", "--redis", to.URL(), file).must(t)
	if !strings.Contains(out, "0 records stored") {
		t.Errorf("importing again: %s", out)
	}
}

func seed(t *testing.T, url string) {
	t.Helper()
	client, err := redisdb.Dial(url, redisdb.Options{NoDurableWrites: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	store := store.Open(client, store.Options{Timeout: 5 * time.Second})
	workspace, err := store.Workspace(t.Context(), keys.DefaultWorkspace)
	if err != nil {
		t.Fatal(err)
	}
	operator := keys.Operator(workspace).As()
	api, err := store.CreateAPI(t.Context(), operator, "orders")
	if err != nil {
		t.Fatal(err)
	}
	for from := 0; from < transferKeys; from += keys.MaxImport {
		drafts := make([]keys.ImportDraft, keys.MaxImport)
		for i := range drafts {
			drafts[i].APIID, drafts[i].Secret = api.ID, keys.NewSecret(fmt.Sprint("secret_of_number_", from+i))
			drafts[i].ExternalID = fmt.Sprint("user", i)
		}
		ids, err := store.ImportKeys(t.Context(), operator, drafts)
		if err != nil {
			t.Fatal(err)
		}
		spendSome(t, store, operator, drafts, ids)
	}
}

// spendSome uses some of a batch of keys, with tags and a limit named in the request,
// and deletes others, so that there is something of every kind to transfer.
func spendSome(t *testing.T, store *store.Store, operator keys.Access, drafts []keys.ImportDraft, ids []string) {
	t.Helper()
	usage := usage.NewCounter(usage.NewReader(store, 0))
	gateway := verify.New(store, verify.Options{Observer: verify.CountUsage(usage, nil)})
	named := []verify.LimitRequest{{Name: "named", Cost: 1, Own: true, Limit: 9, Duration: 24 * 3600_000}}
	for i := 0; i < len(ids); i += 20 {
		if _, err := gateway.Verify(t.Context(), &verify.Request{Secret: drafts[i].Secret, Cost: 1, Limits: named, Tags: []string{fmt.Sprint("tag", i)}}); err != nil {
			t.Fatal(err)
		}
		if err := store.DeleteKey(t.Context(), operator, ids[i+1], false); err != nil {
			t.Fatal(err)
		}
	}
	if err := usage.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// ran is a program that ran.
type ran struct {
	args []string
	out  string
	err  error
}

func (r ran) must(t *testing.T) string {
	t.Helper()
	if r.err != nil {
		t.Fatalf("%v: %v\n%s", r.args, r.err, r.out)
	}
	return r.out
}

func tollgate(t *testing.T, args ...string) ran {
	t.Helper()
	var out bytes.Buffer
	cmd := program0(t, &out, args)
	err := cmd.Run()
	return ran{args, out.String(), err}
}

// program0 is this test binary under the program's name.
func program0(t *testing.T, out io.Writer, args []string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "tollgate")
	if err := os.Symlink(self, name); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd
}

// killedUntilDone kills a command at random moments, ever later, until it ends by
// itself, and tells how often.
func killedUntilDone(t *testing.T, args ...string) (killed int) {
	t.Helper()
	for upTo := 100 * time.Millisecond; ; upTo += upTo / 4 {
		wait := upTo/2 + rand.N(upTo)
		var out bytes.Buffer
		cmd := program0(t, &out, args)
		running := must(proc.Start(cmd))
		timer := time.AfterFunc(wait, running.Kill)
		<-running.Done()
		timer.Stop()
		switch {
		case cmd.ProcessState.Success():
			return killed
		case cmd.ProcessState.ExitCode() >= 0:
			t.Fatalf("%v: %v\n%s", args, cmd.ProcessState, out.String())
		}
		killed++
	}
}

// records are the lines of a file, without revisions and their order.
func records(t *testing.T, file string) []string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []string
	for line, err := range linesOf(f) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, withoutRevision(t, line))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func withoutRevision(t *testing.T, line []byte) string {
	t.Helper()
	var l transfer.ExportRecord
	if err := json.Unmarshal(line, &l); err != nil {
		t.Fatal(err)
	}
	l.Time, l.TTL = 0, 0
	if l.Key != "" {
		clear(l.Stored[1:8])
	}
	return fmt.Sprintf("%+v", l)
}
