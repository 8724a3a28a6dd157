package datadir

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// spawner runs functions on one thread that lives as long as the program. The kernel sends a
// child its death signal when the thread that started it ends, and Go ends threads when it
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

// spawn starts a command in a process group of its own, since what a terminal sends to this
// program's is not for the server. It is asked to stop when this process is gone.
func spawn(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started := make(chan error)
	spawner() <- func() { started <- cmd.Start() }
	return <-started
}
