package proc

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// dieWithParent ties a child's life to this process.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// Stopped reports whether the kernel has really stopped the process: SIGSTOP
// takes a moment, in which a command could still be served.
func (p *Process) Stopped() bool { return state(p.PID()) == 'T' }

// Gone reports whether a process has ended; one that nobody has reaped has.
func Gone(pid int) bool {
	s := state(pid)
	return s == 0 || s == 'Z'
}

// state returns the letter of a process's state; 0 where there is no such process.
func state(pid int) byte {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// The name, in brackets, may have brackets itself.
	if _, rest, ok := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" ")); err == nil && ok {
		return rest[0]
	}
	return 0
}
