// Package suite runs a conformance suite in Go against gateways of its own:
//
//	func TestMain(m *testing.M) { suite.Main(m, 1) }
//
// It builds and starts the launcher, which builds and starts the rest and searches all that it
// wrote in the end; the suite that runs npm's clients is run by the launcher itself.
//
// The suites are modules of their own, to keep their clients out of the program's go.mod, and
// so is this package, which they share: it imports nothing but the standard library.
package suite

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Server is what the launcher started.
var Server struct {
	URL     string   `json:"url"`     // of the first gateway, without a slash at its end
	URLs    []string `json:"urls"`    // of all of them
	RootKey string   `json:"rootKey"` // that may do everything
	Redis   string   `json:"redis"`   // host:port
	Binary  string   `json:"binary"`  // the program
}

// root is the directory of the program's module, seen from that of a suite.
const root = "../../.."

// Main runs the tests with so many gateways on one Redis, and exits. prepare, if any, is called
// before the tests. What cannot be started, or leaks a key, is a failure, never a skip.
func Main(m *testing.M, gateways int, prepare ...func() error) {
	code, err := run(m, gateways, prepare)
	if err != nil {
		fmt.Fprintln(os.Stderr, "The suite needs running gateways:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func run(m *testing.M, gateways int, prepare []func() error) (code int, err error) {
	dir, err := os.MkdirTemp("", "suite-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	end, err := launch(dir, gateways)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, end()) }()
	for _, p := range prepare {
		if err := p(); err != nil {
			return 1, err
		}
	}
	return m.Run(), nil
}

// launch builds and starts the launcher; end ends it by closing its standard input.
func launch(dir string, gateways int) (end func() error, err error) {
	launcher, err := build(dir)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(launcher, "--gateways", strconv.Itoa(gateways))
	cmd.Dir, cmd.Stderr = root, os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	end = func() error {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("the launcher ended badly: %w", err)
		}
		return nil
	}
	if err := json.NewDecoder(stdout).Decode(&Server); err != nil {
		return nil, errors.Join(fmt.Errorf("the launcher announced nothing: %w", err), end())
	}
	return end, nil
}

func build(dir string) (string, error) {
	launcher := filepath.Join(dir, "launch")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", launcher, "./bench/conformance/launch")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the launcher does not build: %w\n%s", err, out)
	}
	return launcher, nil
}

// Command runs another command of the program on the Redis, and returns what it printed.
func Command(args ...string) (string, error) {
	cmd := exec.Command(Server.Binary, args...)
	cmd.Env = append(os.Environ(), "TOLLGATE_REDIS_URL=redis://"+Server.Redis)
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}
