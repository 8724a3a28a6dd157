package proc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// How long processes are waited for. Both are ample, since test machines are slow when they are
// busy.
const (
	readyWithin = 30 * time.Second
	stopWithin  = 15 * time.Second
)

// Process is a child that this package started.
type Process struct {
	cmd  *exec.Cmd
	log  string        // the file that has its output; "" where the command has another place for it
	done chan struct{} // closed once the child has been reaped
}

// spawner runs functions on one thread that lives as long as the program. The kernel sends a
// child its death signal when the *thread* that started it ends, and Go ends threads when it
// likes, except one that is locked.
var spawner = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// Start starts a command so that it does not outlive this process, and reaps it when it ends.
// The command's Wait is not to be called, so its output cannot be read from its StdoutPipe.
func Start(cmd *exec.Cmd) (*Process, error) {
	cmd.SysProcAttr = dieWithParent()
	started := make(chan error)
	spawner() <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in its state
		close(p.done)
	}()
	return p, nil
}

// StartLogged is Start with both of the command's outputs at the end of a file.
func StartLogged(cmd *exec.Cmd, log string) (*Process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	p, err := Start(cmd)
	if err == nil {
		p.log = log
	}
	return p, err
}

// PID returns the id of the process, which is another's some time after its end.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// name is how messages call the process.
func (p *Process) name() string {
	return fmt.Sprintf("%s (pid %d)", filepath.Base(p.cmd.Path), p.PID())
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Running reports whether the process has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Signal sends sig to this one process. That it has ended is no error.
func (p *Process) Signal(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Kill ends the process at once, a stopped one too, and waits until it is gone.
func (p *Process) Kill() {
	_ = p.Signal(syscall.SIGKILL)
	<-p.done
}

// Stop asks the process to end, and waits until it has, also where it was stopped by SIGSTOP.
// One that has not ended after 15 s is killed, which is an error.
func (p *Process) Stop() error { return p.stop(stopWithin) }

func (p *Process) stop(within time.Duration) error {
	err := errors.Join(p.Signal(syscall.SIGCONT), p.Signal(syscall.SIGTERM))
	if err == nil {
		_, err = p.Wait(within)
	}
	if err != nil {
		p.Kill()
	}
	return err
}

// Wait returns the exit code once the process has ended: -1 where a signal ended it. It is an
// error that it has not ended in that time.
func (p *Process) Wait(within time.Duration) (code int, err error) {
	select {
	case <-p.done:
	case <-time.After(within):
	}
	if p.Running() {
		return 0, fmt.Errorf("%s has not ended after %v", p.name(), within)
	}
	return p.cmd.ProcessState.ExitCode(), nil
}

// AwaitReady returns when ready returns no error. A process that ends before, or is not ready
// after 30 s, is an error that quotes what it said; it is killed then.
func (p *Process) AwaitReady(ready func() error) error { return p.awaitReady(readyWithin, ready) }

func (p *Process) awaitReady(within time.Duration, ready func() error) error {
	deadline := time.Now().Add(within)
	for {
		err := ready()
		if err == nil && p.Running() { // otherwise it was another one that answered
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended with code %d before it was ready; it said:\n%s", p.name(), p.cmd.ProcessState.ExitCode(), p.LogTail())
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			p.Kill()
			return fmt.Errorf("%s is not ready after %v: %w; it said:\n%s", p.name(), within, err, p.LogTail())
		}
	}
}

// LogTail returns the end of what a logged process wrote, for messages.
func (p *Process) LogTail() string {
	text, _ := os.ReadFile(p.log)
	return string(text[max(0, len(text)-2000):])
}
