package docs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func openShell(t *testing.T) *shell {
	t.Helper()
	s, err := newShell(t.TempDir(), []string{"PATH=" + os.Getenv("PATH")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

func TestShellNoticesFailure(t *testing.T) {
	s := openShell(t)
	for _, failing := range []string{"false", "false\necho after", "false | cat", "X=$(false)", "for i in 1 2; do false; done; true"} {
		if _, err := s.run(failing, commandLimit); err == nil {
			t.Errorf("%q: a failure that was not noticed", failing)
		}
	}
	if out, err := s.run("X=it\\'s", commandLimit); err != nil || out != "" {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := s.run("printf '%s' \"$X\"; cat", commandLimit); err != nil || out != "it's" {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := openShell(t).run("ls 'unclosed", commandLimit); err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
		t.Errorf("a quote that is not closed: %v", err)
	}
	if _, err := s.run("echo $UNKNOWN", commandLimit); !errors.Is(err, errShellEnded) || !strings.Contains(err.Error(), "UNKNOWN") {
		t.Errorf("a variable that was never set: %v", err)
	}
}

func TestShellGivesUp(t *testing.T) {
	s := openShell(t)
	if _, err := s.run("echo begun; exec sleep 600", 200*time.Millisecond); err == nil || !strings.Contains(err.Error(), "begun") {
		t.Error(err)
	}
	_ = s.cmd.Process.Kill() // close would give it more time
}

// gone reports whether a process group ends within a few seconds.
func gone(pid string) bool {
	for range 100 {
		if _, err := os.Stat("/proc/" + pid); os.IsNotExist(err) {
			return true
		}
		time.Sleep(50 * time.Millisecond)
	}
	return false
}

func begin(t *testing.T, s *shell) (pid string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pid")
	if err := s.start("sleep 600 & echo $! >"+file+".new; mv "+file+".new "+file+"; wait", os.DevNull, commandLimit); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if text, err := os.ReadFile(file); err == nil {
			return strings.TrimSpace(string(text))
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("it did not begin")
	return ""
}

// What is in the background ends with the next that begins, with the shell, and with a test
// that is killed.
func TestNothingStaysInTheBackground(t *testing.T) {
	s := openShell(t)
	first := begin(t, s)
	if !s.started(commandLimit) {
		t.Error("it is not running")
	}
	second := begin(t, s)
	if !gone(first) {
		t.Error("the first still runs beside the second")
	}
	_ = s.in.Close() // as the end of this process does
	if !gone(second) {
		t.Error("the second outlived its shell")
	}
	other := openShell(t)
	third := begin(t, other)
	_ = other.cmd.Process.Signal(syscall.SIGTERM)
	if !gone(third) {
		t.Error("the third outlived its shell, which was told to end")
	}
	if err := openShell(t).start("exit 3", os.DevNull, commandLimit); err != nil {
		t.Error(err)
	}
}
