//go:build !linux

package proc

import (
	"errors"
	"syscall"
)

// dieWithParent has no equivalent here: what a killed process started is left to be ended by hand.
func dieWithParent() *syscall.SysProcAttr { return nil }

// Stopped is not observable here; SIGSTOP is quick.
func (p *Process) Stopped() bool { return true }

// Gone reports whether a process has ended.
func Gone(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }

// Hold needs ptrace as Linux has it.
func (p *Process) Hold(string) (release func(), err error) {
	return nil, errors.New("a thread can be held on Linux alone")
}
