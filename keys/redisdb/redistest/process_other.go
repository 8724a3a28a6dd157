//go:build !linux

package redistest

import (
	"errors"
	"syscall"
)

// dieWithParent has no equivalent here: a killed test binary leaves its
// servers to be ended by hand.
func dieWithParent() *syscall.SysProcAttr { return nil }

// stopped is not observable here; SIGSTOP is quick.
func (p *process) stopped() bool { return true }

// hold needs ptrace as Linux has it.
func (p *process) hold(string) (release func(), err error) {
	return nil, errors.New("a thread can be held on Linux alone")
}
