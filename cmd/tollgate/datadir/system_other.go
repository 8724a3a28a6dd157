//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package datadir

import (
	"errors"
	"os"
	"os/exec"
)

var errSystem = errors.New("a data folder needs Linux, macOS or a BSD")

// tryLock refuses: nothing is started here.
func tryLock(*os.File) (bool, error) { return false, errSystem }

// killGroup has no equivalent here.
func killGroup(int) {}

// spawn refuses.
func spawn(*exec.Cmd) error { return errSystem }

// terminate has no equivalent here.
func terminate(p *os.Process) { _ = p.Kill() }
