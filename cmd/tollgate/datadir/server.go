package datadir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// How long the server may take for something, and how long a server that does not come up is
// left alone before the next try: twice as long each time.
const (
	stopWithin  = time.Minute
	askedEvery  = 20 * time.Millisecond
	firstPause  = 50 * time.Millisecond
	longPause   = 30 * time.Second
	steadyAfter = time.Minute // a run so long begins with the first pause again
)

// server is a server that is looked after, in run after run.
type server struct {
	dir     *Dir
	program string
	ready   chan struct{} // closed when it has answered for the first time
	failed  chan struct{} // closed when it ended before that
	cause   error         // why; set before failed is closed
	stop    chan struct{} // closed when it is to stop
	once    sync.Once     // for that
	ended   chan struct{} // closed when it has stopped for good
}

func newServer(d *Dir, program string) *server {
	return &server{
		dir: d, program: program,
		ready: make(chan struct{}), failed: make(chan struct{}), stop: make(chan struct{}), ended: make(chan struct{}),
	}
}

// start begins the first run and looks after the server from then on.
func (s *server) start(lock *os.File) error {
	p, err := s.dir.launch(s.program, lock)
	if err != nil {
		return err
	}
	go s.awaitFirst(p)
	go s.look(p)
	return nil
}

// awaitFirst waits until the first run answers. Reading its data takes as long as it takes.
func (s *server) awaitFirst(p *process) {
	for s.dir.ping() != nil {
		select {
		case <-p.done:
			return
		case <-time.After(askedEvery):
		}
	}
	close(s.ready)
}

// look starts the server again whenever it ends, until it is to stop. A server that never
// answered is not started again: its data can't be read, or it is none of ours.
func (s *server) look(p *process) {
	defer close(s.ended)
	pause := firstPause
	for begun := time.Now(); ; begun = time.Now() {
		select {
		case <-s.stop:
			s.end(p)
			return
		case <-p.done:
		}
		if !s.answered() {
			s.cause = s.unusable(p.why())
			close(s.failed)
			return
		}
		if time.Since(begun) > steadyAfter {
			pause = firstPause
		}
		s.dir.log.Error("Redis ended: it is started again", "folder", s.dir.path, "how", p.why(), "in", pause.String())
		if p = s.again(&pause); p == nil {
			return
		}
	}
}

// again starts the next run behind a pause; nil where the server is to stop.
func (s *server) again(pause *time.Duration) *process {
	for {
		select {
		case <-s.stop:
			return nil
		case <-time.After(*pause):
		}
		*pause = min(2**pause, longPause)
		lock, err := s.dir.stopOrphan()
		if err == nil {
			var p *process
			if p, err = s.dir.launch(s.program, lock); err == nil {
				return p
			}
		}
		s.dir.log.Error("Redis can't be started", "folder", s.dir.path, "cause", err, "next try in", pause.String())
	}
}

func (s *server) answered() bool {
	select {
	case <-s.ready:
		return true
	default:
		return false
	}
}

// unusable is the error of a server that ended before it answered.
func (s *server) unusable(why string) error {
	return fmt.Errorf("%s does not start on %s: %s. If its append-only file is damaged, copy the folder, then repair it with 'redis-check-aof --fix' on the manifest in appendonlydir, or restore a backup into a new folder with 'tollgate restore'", s.program, s.dir.path, why)
}

// end stops the run: the server writes its append-only file first.
func (s *server) end(p *process) {
	terminate(p.cmd.Process)
	select {
	case <-p.done:
	case <-time.After(stopWithin):
		s.dir.log.Error("Redis did not stop in time and is killed", "after", stopWithin.String())
		p.kill()
	}
}

// close stops the server for good.
func (s *server) close() {
	s.once.Do(func() { close(s.stop) })
	<-s.ended
}

// errStopped is the error of waiting for a server that was stopped meanwhile.
var errStopped = errors.New("the server of the data folder was stopped")

// AwaitReady waits until the server has read its data and answers. It returns an error that
// says what the server said where it ended instead.
func (d *Dir) AwaitReady(ctx context.Context) error {
	if d.server == nil {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-d.server.ready:
		return nil
	case <-d.server.failed:
		return d.server.cause
	case <-d.server.stop:
		return errStopped
	}
}
