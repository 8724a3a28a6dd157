package redistest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// LastingStore is a store of the kind that TOLLGATE_STORE says, for a TestMain. It is no
// test's: what goes wrong with it is a panic.
type LastingStore struct{ group }

// Lasting starts a store that lives until Stop, below a directory.
func Lasting(dir string, opts ...Option) (s *LastingStore, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("%v", fault)
		}
	}()
	tb := binary{}
	dir = filepath.Join(dir, "store")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	return &LastingStore{startGroup(tb, form{kind: kind(tb), replicas: 1}, lasting(dir), opts...)}, nil
}

// HandOver has a replica take over, and loses nothing.
func (s *LastingStore) HandOver() { s.handOver() }

// Stop ends every server.
func (s *LastingStore) Stop() {
	for _, server := range s.all() {
		server.stop()
	}
}

// Do sends a command to every master, and returns the lists they reply as one.
func (s *LastingStore) Do(args ...string) (any, error) {
	command := make([]any, len(args))
	for i, arg := range args {
		command[i] = arg
	}
	var joined []any
	for _, server := range s.data() {
		if !server.master() {
			continue
		}
		reply, err := server.admin.Do(ctx, command...).Result()
		if err != nil {
			return nil, err
		}
		list, _ := reply.([]any)
		joined = append(joined, list...)
	}
	return joined, nil
}

// binary stands for a test where there is none.
type binary struct{ testing.TB }

func (binary) Helper() {}

func (binary) Cleanup(func()) {}

func (binary) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func (binary) Fatalf(text string, args ...any) { panic(fmt.Sprintf(text, args...)) }
