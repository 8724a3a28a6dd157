//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package datadir

import (
	"os/exec"
	"syscall"
)

// spawn starts a command in a process group of its own, since what a terminal sends to this
// program's is not for the server.
func spawn(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd.Start()
}
