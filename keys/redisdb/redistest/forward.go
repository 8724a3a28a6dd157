package redistest

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"tollgate/keys/redisdb/redistest/proc"
)

// Forwarder is one address behind which there are several servers, as behind a name or
// a load balancer. Unlike a Link it can go silent without either side being told.
type Forwarder struct {
	tb       testing.TB
	listener net.Listener
	targets  []string
	next     atomic.Int64
	silent   atomic.Bool

	mu    sync.Mutex
	conns []net.Conn
}

// Forward opens an address whose connections end at the targets in turn.
func Forward(tb testing.TB, targets ...string) *Forwarder {
	tb.Helper()
	var listener net.Listener
	err := proc.Serve(func(addr string) (err error) {
		listener, err = net.Listen("tcp", addr)
		return err
	})
	if err != nil {
		tb.Fatalf("redistest: forward: %v", err)
	}
	f := &Forwarder{tb: tb, listener: listener, targets: targets}
	go f.accept()
	tb.Cleanup(f.close)
	return f
}

// Addr is the forwarder's own host:port.
func (f *Forwarder) Addr() string { return f.listener.Addr().String() }

// Silence lets nothing through any more, in either direction, not even that a
// connection was closed: a network that is partitioned.
func (f *Forwarder) Silence() { f.silent.Store(true) }

func (f *Forwarder) accept() {
	for {
		from, err := f.listener.Accept()
		if err != nil {
			return
		}
		target := f.targets[int(f.next.Add(1)-1)%len(f.targets)]
		to, err := net.Dial("tcp", target)
		if err != nil {
			_ = from.Close()
			continue
		}
		f.mu.Lock()
		f.conns = append(f.conns, from, to)
		f.mu.Unlock()
		go f.pass(from, to)
		go f.pass(to, from)
	}
}

// pass copies what comes until one side closes.
func (f *Forwarder) pass(from, to net.Conn) {
	_, _ = io.Copy(heard{to, f}, from)
	if !f.silent.Load() {
		_, _ = from.Close(), to.Close()
	}
}

// heard writes unless the forwarder is silent.
type heard struct {
	net.Conn
	f *Forwarder
}

func (h heard) Write(p []byte) (int, error) {
	if h.f.silent.Load() {
		return len(p), nil
	}
	return h.Conn.Write(p)
}

func (f *Forwarder) close() {
	_ = f.listener.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		_ = c.Close()
	}
}
