package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tollgate/bench/conformance/stack"
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

// launch starts the launcher and returns it with its standard input and what it said.
func launch(t *testing.T, args ...string) (*exec.Cmd, io.WriteCloser, running) {
	t.Helper()
	launcher, gate := binaries(t)
	cmd := exec.Command(launcher, append([]string{"--binary", gate}, args...)...)
	cmd.Stderr = os.Stderr
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := stack.StartBound(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	var r running
	if err := json.NewDecoder(out).Decode(&r); err != nil {
		t.Fatalf("the launcher said no JSON: %v", err)
	}
	for _, url := range r.URLs {
		res, err := http.Get(url + "/readyz")
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("a gateway that was announced is not ready: %v %v", res, err)
		}
		res.Body.Close()
	}
	return cmd, in, r
}

// assertGone checks the promise of the launcher: no process is left behind.
func assertGone(t *testing.T, pids []int) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for _, pid := range pids {
		for syscall.Kill(pid, 0) == nil && !zombie(pid) {
			if time.Now().After(deadline) {
				t.Fatalf("process %d still runs", pid)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// zombie tells a process that has ended but whose new parent has not collected it.
func zombie(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func TestEveryWayToEndLeavesNothingBehind(t *testing.T) {
	for name, end := range map[string]func(*exec.Cmd, io.WriteCloser){
		"input ends": func(_ *exec.Cmd, in io.WriteCloser) { in.Close() },
		"SIGTERM":    func(cmd *exec.Cmd, _ io.WriteCloser) { cmd.Process.Signal(syscall.SIGTERM) },
		"SIGKILL":    func(cmd *exec.Cmd, _ io.WriteCloser) { cmd.Process.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "stack")
			cmd, in, r := launch(t, "--gateways", "2", "--dir", dir)
			if len(r.URLs) != 2 || r.URL != r.URLs[0] || len(r.RootKey) < 32 || len(r.PIDs) != 3 {
				t.Fatalf("unexpected announcement %+v", r)
			}
			end(cmd, in)
			err := cmd.Wait()
			if name != "SIGKILL" && err != nil {
				t.Errorf("the launcher ended with %v", err)
			}
			assertGone(t, r.PIDs)
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
