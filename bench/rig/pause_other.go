//go:build !linux

package rig

import "time"

func pause(d time.Duration) { time.Sleep(d) }
