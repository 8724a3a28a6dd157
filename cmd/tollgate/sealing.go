package main

import (
	"os"
	"path/filepath"

	"tollgate/keys/store"
)

// sealingCommand is `tollgate sealing`.
type sealingCommand struct {
	Create sealingCreate `cmd:"" help:"Create a keyset file. It is not overwritten."`
	Rotate sealingRotate `cmd:"" help:"Add a new key to a keyset file, which seals from then on."`
}

type sealingCreate struct {
	File string `arg:"" help:"The file; only its owner can read it."`
}

// Run writes a new keyset.
func (f *sealingCreate) Run() error {
	text, err := store.NewKeyset()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(f.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := file.Write(text); err != nil {
		return err
	}
	return file.Close()
}

type sealingRotate struct {
	File string `arg:"" help:"The file. Give it to each gateway, and send each SIGHUP."`
}

// Run replaces the file in one step, so that a crash leaves the old or the new one.
func (f *sealingRotate) Run() error {
	old, err := os.ReadFile(f.File)
	if err != nil {
		return err
	}
	text, err := store.RotateKeyset(old)
	if err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(f.File), ".keyset-*")
	if err != nil {
		return err
	}
	defer os.Remove(next.Name())
	if _, err := next.Write(text); err != nil {
		return err
	}
	if err := next.Close(); err != nil {
		return err
	}
	return os.Rename(next.Name(), f.File)
}
