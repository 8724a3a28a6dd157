package datadir

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// How long a server that outlived its owner may take to stop: by itself, when it is asked,
// and when it is killed.
var (
	orphanStops  = 10 * time.Second
	orphanKilled = 5 * time.Second
)

// stopOrphan stops a server that a killed owner left, and returns the server's lock, which is
// free then. The folder is ours: nobody else starts a server meanwhile.
func (d *Dir) stopOrphan() (*os.File, error) {
	lock, err := os.OpenFile(d.file(serverLockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	free, err := tryLock(lock)
	if err == nil && !free {
		d.log.Warn("a Redis of an earlier process still runs on the data: stopping it first", "folder", d.path)
		_, _ = d.ask("SHUTDOWN") // it may be stopping already
		if free, err = awaitLock(lock, orphanStops); err == nil && !free {
			d.killOrphan()
			free, err = awaitLock(lock, orphanKilled)
		}
	}
	switch {
	case err != nil:
	case !free:
		err = fmt.Errorf("another server still has the data in %s and does not stop: end it first", d.path)
	default:
		return lock, nil
	}
	_ = lock.Close()
	return nil, err
}

// killOrphan kills the server that holds the lock, with its children. Its process id is in the
// folder, and it can't be another process's by now: the number of a group is given to nobody
// while one of the group lives.
func (d *Dir) killOrphan() {
	text, _ := os.ReadFile(d.file(pidFile))
	if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && pid > 1 {
		killGroup(pid)
	}
}

// awaitLock waits for a lock; false where it is not free in time.
func awaitLock(lock *os.File, within time.Duration) (free bool, err error) {
	for deadline := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		if free, err = tryLock(lock); free || err != nil || time.Now().After(deadline) {
			return free, err
		}
	}
}
