package proxies

import (
	"bytes"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"tollgate/keys/redisdb/redistest/proc"
)

// A relay stands between the proxies and a gateway. It counts what passes, and misbehaves
// when told to.
type relay struct {
	addr, target string
	listener     net.Listener
	conns        atomic.Int64 // that were opened
	sent         atomic.Int64 // bytes to the gateway
	asked        atomic.Int64 // questions to the gateway, among those
	silent       atomic.Bool  // nothing passes
	cutAfter     atomic.Int64 // replies that pass on each connection; the next one ends it; -1 is all
	cuts         atomic.Int64 // replies that were lost so

	mu   sync.Mutex
	open []net.Conn
}

// newRelay opens a relay, which ends with the test.
func newRelay(t testing.TB, target string) *relay {
	t.Helper()
	r := &relay{target: target}
	r.cutAfter.Store(-1)
	err := proc.Serve(func(addr string) (err error) {
		r.listener, err = net.Listen("tcp", addr)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r.addr = r.listener.Addr().String()
	go r.accept()
	t.Cleanup(r.refuse)
	return r
}

func (r *relay) accept() {
	for {
		from, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.conns.Add(1)
		to, err := net.Dial("tcp", r.target)
		if err != nil {
			_ = from.Close()
			continue
		}
		r.mu.Lock()
		r.open = append(r.open, from, to)
		r.mu.Unlock()
		go r.ask(from, to)
		go r.answer(from, to)
	}
}

func closeBoth(a, b net.Conn) {
	_ = a.Close()
	_ = b.Close()
}

// ask copies what the proxy sends.
func (r *relay) ask(from, to net.Conn) {
	defer closeBoth(from, to)
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		r.sent.Add(int64(n))
		r.asked.Add(int64(bytes.Count(buffer[:n], []byte("/forward-auth"))))
		if r.silent.Load() {
			n = 0
		}
		if _, wrong := to.Write(buffer[:n]); err != nil || wrong != nil {
			return
		}
	}
}

// answer copies what the gateway replies: an answer fits into one read.
func (r *relay) answer(from, to net.Conn) {
	defer closeBoth(from, to)
	buffer := make([]byte, 64<<10)
	for replies := int64(0); ; replies++ {
		n, err := to.Read(buffer)
		if err != nil {
			return
		}
		if limit := r.cutAfter.Load(); limit >= 0 && replies >= limit {
			r.cuts.Add(1)
			return
		}
		if _, err := io.Writer(from).Write(buffer[:n]); err != nil {
			return
		}
	}
}

// refuse ends all connections, and lets nobody open one.
func (r *relay) refuse() {
	_ = r.listener.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, conn := range r.open {
		_ = conn.Close()
	}
}
