package datadir

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
)

// programs are the servers that are looked for, the first one first.
var programs = []string{"redis-server", "valkey-server"}

// ErrNoServer is the error of opening a folder where no server is installed.
var ErrNoServer = errors.New("neither redis-server nor valkey-server is in PATH: install the package redis-server (Debian, Ubuntu), redis (Alpine, Homebrew) or valkey (Fedora), or try Tollgate with --dev, which forgets everything at exit")

// ProgramError is the error of a server that can't be run.
type ProgramError struct{ Err error }

// Error says why.
func (e *ProgramError) Error() string {
	return fmt.Sprintf("want the file of a redis-server or valkey-server: %s", e.Err)
}

// find returns the file of the server that is to be run: name, or the first one in PATH.
func find(name string) (string, error) {
	if name != "" {
		path, err := exec.LookPath(name)
		if err != nil {
			return "", &ProgramError{err}
		}
		return filepath.Abs(path)
	}
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", ErrNoServer
}
