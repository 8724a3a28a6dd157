package stack

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	readyWithin = 15 * time.Second
	stopWithin  = 15 * time.Second
)

// A Process is a child that this package started.
type Process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed once the child has been waited for
}

// PID is the id of the process, for as long as it runs.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends sig to this one process. A process that has ended is no error.
func (p *Process) Signal(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Wait returns the exit code once the process has ended: -1 when a signal ended it.
func (p *Process) Wait(within time.Duration) (int, error) {
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-time.After(within):
		return 0, fmt.Errorf("%s (pid %d) has not ended after %s", filepath.Base(p.cmd.Path), p.PID(), within)
	}
}

func (p *Process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Stop asks the process to end, and kills it if it does not.
func (p *Process) Stop() error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if _, err := p.Wait(stopWithin); err != nil {
		p.cmd.Process.Kill()
		<-p.done
		return err
	}
	return nil
}

// LogTail is the end of what the process wrote, for messages.
func (p *Process) LogTail() string {
	text, _ := os.ReadFile(p.log)
	return string(text[max(0, len(text)-2000):])
}

func startProcess(log, dir string, env []string, name string, args ...string) (*Process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = append(cleanEnv(), env...)
	if err := StartBound(cmd); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// cleanEnv is the environment without what configures the program: a suite must not depend on the
// shell it is started from.
func cleanEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, "TOLLGATE_") })
}

// spawner is the one thread that starts children. The kernel ends a bound child when the thread
// that started it ends, so that thread must live as long as the process.
var spawner = sync.OnceValue(func() chan<- func() {
	jobs := make(chan func())
	go func() {
		runtime.LockOSThread()
		for job := range jobs {
			job()
		}
	}()
	return jobs
})

// StartBound starts cmd so that it does not outlive this process, however this process ends.
func StartBound(cmd *exec.Cmd) error {
	cmd.SysProcAttr = dieWithParent()
	result := make(chan error)
	spawner() <- func() { result <- cmd.Start() }
	return <-result
}

// awaitReady polls check until it succeeds. The process ending meanwhile is a failure at once.
func (p *Process) awaitReady(check func() error) error {
	deadline := time.Now().Add(readyWithin)
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended with code %d before it was ready; it said:\n%s",
				filepath.Base(p.cmd.Path), p.cmd.ProcessState.ExitCode(), p.LogTail())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("%s is not ready after %s: %w; it said:\n%s",
				filepath.Base(p.cmd.Path), readyWithin, err, p.LogTail()), p.Stop())
		}
	}
}

func checkReady(url string) error {
	client := http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	res, err := client.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, res.Status)
	}
	return nil
}

// onFreePort calls start with an address that was free a moment ago, again with another one when
// somebody else was faster.
func onFreePort(start func(addr string) error) error {
	var err error
	for range 3 {
		l, lerr := net.Listen("tcp", "127.0.0.1:0")
		if lerr != nil {
			return lerr
		}
		addr := l.Addr().String()
		l.Close()
		if err = start(addr); err == nil || !taken(addr) {
			return err
		}
	}
	return err
}

// taken reports whether somebody listens on addr, which after a failed start can only be a stranger.
func taken(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err == nil {
		l.Close()
	}
	return err != nil
}

// Build compiles a package of the program's module into dir and returns the binary's path.
func Build(dir, pkg string) (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(abs, filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-o", binary, pkg)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", pkg, err, bytes.TrimSpace(out))
	}
	return binary, nil
}
