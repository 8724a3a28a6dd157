package redistest

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// dieWithParent ties a child's life to the test binary's.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// stopped reports whether the kernel has really stopped the process: SIGSTOP
// takes a moment, in which a command could still be served.
func (p *process) stopped() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	return err == nil && bytes.Contains(stat, []byte(") T "))
}
