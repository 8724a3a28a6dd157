package importing

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"tollgate/bench/conformance/stack"
	"tollgate/keys/redisdb/redistest"
)

// How long the program takes to write a workspace into a file, and to store the file
// elsewhere, beside how long its keys took to come in through the store.
func TestTransferSpeed(t *testing.T) {
	s := newShelf(t)
	began := time.Now()
	s.fill(*keyCount)
	tell(t, "stored 100 at a time", time.Since(began))

	program, err := stack.Build(t.TempDir(), "./cmd/tollgate")
	s.must(err)
	file := filepath.Join(t.TempDir(), "workspace.jsonl")
	tell(t, "exported", timed(t, program, "export", "--redis", s.url, file))
	info, err := os.Stat(file)
	s.must(err)
	t.Logf("%d bytes a key in the file", info.Size()/int64(*keyCount))
	other := redistest.Start(t)
	tell(t, "imported", timed(t, program, "import", "--redis", other.URL(), file))
}

func tell(t *testing.T, what string, took time.Duration) {
	t.Logf("%s: %d keys in %v, %.0f a second", what, *keyCount, took.Round(time.Millisecond), float64(*keyCount)/took.Seconds())
}

func timed(t *testing.T, program string, args ...string) time.Duration {
	t.Helper()
	began := time.Now()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return time.Since(began)
}
