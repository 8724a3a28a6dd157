package rig

import (
	"time"

	"golang.org/x/sys/unix"
)

// pause sleeps on its own thread: Go's timers may be a millisecond late.
func pause(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil) // a signal only makes it shorter
}
