package rig

import (
	"time"

	"golang.org/x/sys/unix"
)

// CPU is the processor time that a process has used, all its threads together.
func CPU(pid int) (time.Duration, error) {
	var t unix.Timespec
	clock := int32(^pid)<<3 | 2 // as clock_getcpuclockid(3) makes it
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0, err
	}
	return time.Duration(t.Nano()), nil
}
