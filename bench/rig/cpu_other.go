//go:build !linux

package rig

import (
	"errors"
	"time"
)

// CPU can be read on Linux alone.
func CPU(int) (time.Duration, error) {
	return 0, errors.New("the processor time of another process can be read on Linux alone")
}
