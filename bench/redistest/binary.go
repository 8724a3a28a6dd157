package redistest

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// Binary returns the path of redis-server, and fails the test with the name of
// the package to install where there is none.
func Binary(tb testing.TB) string {
	tb.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		tb.Fatal("this test needs a real Redis: apt-get install redis-server")
	}
	return path
}

// faketime returns the library that gives a process a clock of its own.
func faketime(tb testing.TB) string {
	tb.Helper()
	for _, pattern := range []string{"/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib*/faketime/libfaketimeMT.so.1"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[0]
		}
	}
	tb.Fatal("this test moves the clock of a real Redis: apt-get install faketime")
	return ""
}
