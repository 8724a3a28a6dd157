package redistest

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// serverVariable names another server than the redis-server in PATH: the file of any
// redis-server or valkey-server, as `make stores SERVER=FILE` sets it.
const serverVariable = "TOLLGATE_REDIS_SERVER"

// Binary returns the absolute path of the server that tests run: that of
// TOLLGATE_REDIS_SERVER, otherwise redis-server. Without one it fails the test and
// says what to do.
func Binary(tb testing.TB) string {
	tb.Helper()
	path, err := lookUpServer()
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

// lookUpServer is Binary without a test: it returns an error where there is no server.
func lookUpServer() (string, error) {
	name := cmp.Or(os.Getenv(serverVariable), "redis-server")
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return filepath.Abs(path)
	case os.Getenv(serverVariable) != "":
		return "", fmt.Errorf("%s names no server that can be run: %w", serverVariable, err)
	}
	return "", errors.New("this test needs a real Redis: apt-get install redis-server")
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
