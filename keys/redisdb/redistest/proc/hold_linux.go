package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// thread finds a thread of the process by how its name begins.
func (p *Process) thread(name string) (int, error) {
	all, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/comm", p.PID()))
	for _, file := range all {
		if comm, err := os.ReadFile(file); err == nil && strings.HasPrefix(string(comm), name) {
			return strconv.Atoi(filepath.Base(filepath.Dir(file)))
		}
	}
	return 0, fmt.Errorf("no thread %s: %v", name, err)
}

// Hold stops one thread of the process, as a debugger does, until it is released; the
// others go on. It has to be released for a killed process to end.
func (p *Process) Hold(name string) (release func(), err error) {
	tid, err := p.thread(name)
	if err != nil {
		return nil, err
	}
	held, over, gone := make(chan error), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		runtime.LockOSThread() // a thread is traced by a thread
		defer runtime.UnlockOSThread()
		err := seize(tid)
		held <- err
		if err != nil {
			return
		}
		<-over
		if unix.PtraceDetach(tid) != nil { // it was killed: it ends when that is taken note of
			_, _ = unix.Wait4(tid, nil, unix.WALL, nil)
		}
	}()
	if err := <-held; err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() { close(over); <-gone }), nil
}

func seize(tid int) error {
	if err := unix.PtraceSeize(tid); err != nil {
		return fmt.Errorf("ptrace: %w", err)
	}
	if err := unix.PtraceInterrupt(tid); err != nil {
		return fmt.Errorf("ptrace: %w", err)
	}
	_, err := unix.Wait4(tid, nil, unix.WALL, nil)
	return err
}
