//go:build !linux

package redistest

import "syscall"

// dieWithParent has no equivalent here: a killed test binary leaves its
// servers to be ended by hand.
func dieWithParent() *syscall.SysProcAttr { return nil }

// stopped is not observable here; SIGSTOP is quick.
func (p *process) stopped() bool { return true }
