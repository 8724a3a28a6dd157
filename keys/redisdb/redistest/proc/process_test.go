package proc

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell starts a script of sh, and waits until it says that it is ready.
func shell(t *testing.T, script string) *Process {
	t.Helper()
	p, err := StartLogged(exec.Command("sh", "-c", script), filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	err = p.AwaitReady(func() error {
		if !strings.Contains(p.LogTail(), "ready\n") {
			return errors.New("it does not say so")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestStopAsksFirst(t *testing.T) {
	p := shell(t, `trap 'echo asked; exit 3' TERM; echo ready; while :; do sleep 0.01; done`)
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if code, err := p.Wait(0); code != 3 || err != nil || !strings.HasSuffix(p.LogTail(), "asked\n") {
		t.Errorf("it ended with %d, %v, and said %q", code, err, p.LogTail())
	}
	if err := errors.Join(p.Stop(), p.Signal(syscall.SIGTERM)); err != nil {
		t.Errorf("what has ended cannot be stopped again: %v", err)
	}
}

// Whoever does not listen is killed, and whoever waits for it hears of it.
func TestStopKillsInTheEnd(t *testing.T) {
	p := shell(t, `trap '' TERM; echo ready; while :; do sleep 0.01; done`)
	if err := p.stop(50 * time.Millisecond); err == nil {
		t.Error("it was killed, and nobody was told")
	}
	if p.Running() || !Gone(p.PID()) {
		t.Error("it still runs")
	}
}

func TestStopEndsWhatIsStopped(t *testing.T) {
	p := shell(t, `echo ready; while :; do sleep 0.01; done`)
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for !p.Stopped() {
		time.Sleep(time.Millisecond)
	}
	if err := p.Stop(); err != nil || p.Running() {
		t.Errorf("running %v: %v", p.Running(), err)
	}
}

func TestAwaitReadySaysWhatIsWrong(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	never := errors.New("nobody answers")
	ended, err := StartLogged(exec.Command("sh", "-c", "echo no such thing >&2; exit 7"), log)
	if err != nil {
		t.Fatal(err)
	}
	err = ended.AwaitReady(func() error { return never })
	if err == nil || !strings.Contains(err.Error(), "code 7 before it was ready") || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("it ended: %v", err)
	}
	// Another one that answers in its place does not make it ready.
	if err := ended.AwaitReady(func() error { return nil }); err == nil {
		t.Error("what has ended is ready")
	}
	slow, err := StartLogged(exec.Command("sleep", "60"), log)
	if err != nil {
		t.Fatal(err)
	}
	if err := slow.awaitReady(20*time.Millisecond, func() error { return never }); !errors.Is(err, never) || slow.Running() {
		t.Errorf("it was too slow: %v, running %v", err, slow.Running())
	}
}

// A port that somebody took meanwhile is no failure; anything else is one at once.
func TestServeTriesAnotherPort(t *testing.T) {
	failed, tried := errors.New("it does not start"), 0
	err := Serve(func(addr string) error {
		if tried++; tried == 3 {
			return nil
		}
		l, err := net.Listen("tcp", addr)
		if err == nil {
			t.Cleanup(func() { _ = l.Close() })
		}
		return failed
	})
	if err != nil || tried != 3 {
		t.Errorf("tried %d ports: %v", tried, err)
	}
	tried = 0
	err = Serve(func(string) error { tried++; return failed })
	if err != failed || tried != 1 {
		t.Errorf("tried %d ports: %v", tried, err)
	}
}

// Both ports of a pair have to be free.
func TestRangeSeesThePortBeside(t *testing.T) {
	l, err := net.Listen("tcp", Addr(0))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	if port, err := (Range{Low: taken - 1, Count: 1, Beside: 1}).Free(); err == nil {
		t.Errorf("%d is free, whatever is beside it", port)
	}
}

func TestOutputIsAddedToALog(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	for range 2 {
		p, err := StartLogged(exec.Command("echo", "one"), log)
		if err != nil {
			t.Fatal(err)
		}
		<-p.Done()
	}
	if text, err := os.ReadFile(log); string(text) != "one\none\n" || err != nil {
		t.Errorf("the log has %q: %v", text, err)
	}
}
