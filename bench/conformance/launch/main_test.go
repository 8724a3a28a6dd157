package main

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tollgate/bench/conformance/stack"
	"tollgate/keys/redisdb/redistest/proc"
)

type running struct {
	URL     string   `json:"url"`
	URLs    []string `json:"urls"`
	RootKey string   `json:"rootKey"`
	PIDs    []int    `json:"pids"`
}

// binaries builds the launcher and the fake gateway it is tried with.
func binaries(t *testing.T) (launcher, gate string) {
	t.Helper()
	dir := t.TempDir()
	launcher, err := stack.Build(dir, "./bench/conformance/launch")
	if err != nil {
		t.Fatal(err)
	}
	gate, err = stack.Build(dir, "./bench/conformance/launch/testdata/fakegate")
	if err != nil {
		t.Fatal(err)
	}
	return launcher, gate
}

// launched is a launcher that has announced what it started.
type launched struct {
	*proc.Process
	in *os.File // its standard input
	running
}

// launch starts the launcher and returns it with what it said.
func launch(t *testing.T, args ...string) *launched {
	t.Helper()
	launcher, gate := binaries(t)
	cmd := exec.Command(launcher, append([]string{"--binary", gate}, args...)...)
	itsInput, in := pipe(t)
	out, itsOutput := pipe(t)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = itsInput, itsOutput, os.Stderr
	p, err := proc.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	itsInput.Close()
	itsOutput.Close()
	l := &launched{Process: p, in: in}
	if err := json.NewDecoder(out).Decode(&l.running); err != nil {
		t.Fatalf("the launcher said no JSON: %v", err)
	}
	for _, url := range l.URLs {
		res, err := http.Get(url + "/readyz")
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("a gateway that was announced is not ready: %v %v", res, err)
		}
		res.Body.Close()
	}
	return l
}

func pipe(t *testing.T) (reads, writes *os.File) {
	t.Helper()
	reads, writes, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reads.Close(); writes.Close() })
	return reads, writes
}

// assertGone checks the promise of the launcher: no process is left behind.
func assertGone(t *testing.T, pids []int) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for _, pid := range pids {
		for !proc.Gone(pid) {
			if time.Now().After(deadline) {
				t.Fatalf("process %d still runs", pid)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func TestEveryWayToEndLeavesNothingBehind(t *testing.T) {
	for name, end := range map[string]func(*launched) error{
		"input ends": func(l *launched) error { return l.in.Close() },
		"SIGTERM":    func(l *launched) error { return l.Signal(syscall.SIGTERM) },
		"SIGKILL":    func(l *launched) error { return l.Signal(syscall.SIGKILL) },
	} {
		t.Run(name, func(t *testing.T) {
			l := launch(t, "--gateways", "2", "--dir", filepath.Join(t.TempDir(), "stack"))
			if len(l.URLs) != 2 || l.URL != l.URLs[0] || len(l.RootKey) < 32 || len(l.PIDs) != 3 {
				t.Fatalf("unexpected announcement %+v", l.running)
			}
			if err := end(l); err != nil {
				t.Fatal(err)
			}
			code, err := l.Wait(30 * time.Second)
			if err != nil || name != "SIGKILL" && code != 0 {
				t.Errorf("the launcher ended with code %d, %v", code, err)
			}
			assertGone(t, l.PIDs)
		})
	}
}

func TestExecPassesTheStackAndTheExitCode(t *testing.T) {
	launcher, gate := binaries(t)
	script := `echo "$TOLLGATE_URL $TOLLGATE_URLS ${#TOLLGATE_ROOT_KEY}"; exit 7`
	out, err := exec.Command(launcher, "--binary", gate, "--gateways", "2", "--exec", "sh", "-c", script).Output()
	exit, ok := err.(*exec.ExitError)
	if !ok || exit.ExitCode() != 7 {
		t.Fatalf("want the command's exit code 7, got %v", err)
	}
	words := strings.Fields(string(out))
	if len(words) != 3 || !strings.HasPrefix(words[1], words[0]+",") || words[2] < "32" {
		t.Errorf("the command saw %q", words)
	}
}

// Whatever the command says of itself: a gateway that wrote a key into its log is a failure, and
// the message does not write it once more.
func TestALeakIsAFailure(t *testing.T) {
	launcher, gate := binaries(t)
	t.Setenv("FAKEGATE_LEAK", "yes")
	out, err := exec.Command(launcher, "--binary", gate, "--exec", "sh", "-c", `echo "${TOLLGATE_ROOT_KEY#tollgate_}"`).CombinedOutput()
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 1 {
		t.Fatalf("want exit code 1, got %v: %s", err, out)
	}
	key, message, _ := strings.Cut(string(out), "\n")
	if !strings.Contains(message, "gateway-1.log contains a key") || strings.Contains(message, key) {
		t.Errorf("the launcher said %q", out)
	}
}

func TestAGatewayThatEndsIsAClearFailure(t *testing.T) {
	launcher, _ := binaries(t)
	out, err := exec.Command(launcher, "--binary", "/bin/false", "--exec", "true").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "before it was ready") {
		t.Errorf("want a sentence that says why, got %v: %s", err, out)
	}
}
