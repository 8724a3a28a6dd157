package datadir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// joinWithin is how long Join waits for the server of a gateway that has just started, or
// whose server is started again.
const joinWithin = 15 * time.Second

// Join opens a folder for a command: while a gateway looks after the folder it uses the
// gateway's server, and otherwise opens the folder itself. It returns when the server answers.
func Join(ctx context.Context, path string, o Options) (*Dir, error) {
	for deadline := time.Now().Add(joinWithin); ; time.Sleep(askedEvery) {
		d, err := Open(path, o)
		if err == nil {
			return d, d.readyOrClose(ctx)
		}
		var inUse *InUseError
		if !errors.As(err, &inUse) || !inUse.byGateway() {
			return nil, err
		}
		if d, err = attach(path, o); err == nil {
			return d, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%s has the folder, and its Redis does not answer: %w", inUse.Owner, err)
		}
	}
}

// readyOrClose waits for a server of our own.
func (d *Dir) readyOrClose(ctx context.Context) error {
	err := d.AwaitReady(ctx)
	if err != nil {
		_ = d.Close()
	}
	return err
}

// attach uses the server that another process looks after.
func attach(path string, o Options) (*Dir, error) {
	d, err := prepare(path, o)
	if err != nil {
		return nil, err
	}
	password, err := os.ReadFile(d.file(passwordFile))
	if err != nil {
		return nil, err
	}
	d.password = string(password)
	return d, d.ping()
}
