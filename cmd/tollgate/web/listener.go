package web

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// connections bounds the connections of a server, in all and per peer. Who is behind a
// trusted proxy is not known before a request is read, so such a peer counts in all only.
// fasthttp's own bound does not know IPv6 and answers in plain text.
type connections struct {
	max, perIP int
	addresses  *Addresses
	memory     *memory

	mu   sync.Mutex
	open int
	byIP map[netip.Addr]int
}

func newConnections(config Config, memory *memory) *connections {
	return &connections{max: config.MaxConns, perIP: config.MaxConnsPerIP, addresses: config.Addresses, memory: memory, byIP: map[netip.Addr]int{}}
}

// limiter hands out the connections of a listener that are within the bounds.
type limiter struct {
	net.Listener
	*connections
	share    int64                         // what a connection takes of the memory
	refusal  func(net.Addr, *Fault) []byte // nil says nothing
	goodbyes chan struct{}                 // one for each refusal under way

	tls       *tls.Config           // nil for plaintext
	handshake time.Duration         // for one
	unsecured func(net.Addr, error) // is told of handshakes that failed
}

func (c *connections) limiter(ln net.Listener, share int64, refusal func(net.Addr, *Fault) []byte) *limiter {
	return &limiter{Listener: ln, connections: c, share: share, refusal: refusal, goodbyes: make(chan struct{}, 64)}
}

// Limit returns a listener, for another protocol, whose connections count as the server's
// own: towards Config.MaxConns, MaxConnsPerIP and MaxMemory, of which each takes some bytes.
// What is over them is closed without a word.
func (s *Server) Limit(ln net.Listener, bytes int64) net.Listener {
	return s.connections.limiter(ln, bytes, nil)
}

// Accept returns the next connection that is within the limits.
func (l *limiter) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if passing(err) {
			time.Sleep(acceptPause)
			continue
		}
		if err != nil {
			return nil, err
		}
		p := place{of: l.connections, counted: l.countedAs(AddressOf(raw.RemoteAddr())), share: l.share}
		f := l.admit(p.counted, p.share)
		switch {
		case f != nil:
			l.refuse(raw, f)
		case l.refusal == nil:
			return &otherConn{Conn: raw, place: p}, nil
		default:
			return &conn{Conn: l.secured(raw), place: p}, nil
		}
	}
}

// passing tells an error such as "too many open files", after which fasthttp
// would stop serving, from the end of the listener.
func passing(err error) bool {
	var temporary interface{ Temporary() bool }
	return errors.As(err, &temporary) && temporary.Temporary()
}

const acceptPause = 50 * time.Millisecond

// countedAs returns by what a peer's connections are counted: its network, or the zero
// Addr where they are not, for a trusted proxy and a peer without an address.
func (c *connections) countedAs(peer netip.Addr) netip.Addr {
	if !peer.IsValid() || c.addresses.Trusts(peer) {
		return netip.Addr{}
	}
	return Network(peer)
}

func (c *connections) admit(counted netip.Addr, share int64) *Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.open >= c.max:
		return &Fault{http.StatusServiceUnavailable, "the server has too many connections"}
	case c.perIP > 0 && c.byIP[counted] >= c.perIP:
		return &Fault{http.StatusTooManyRequests, "too many connections from your address"}
	case !c.memory.reserveConn(share):
		return &Fault{http.StatusServiceUnavailable, "the server has no memory left for another connection"}
	}
	c.open++
	if counted.IsValid() {
		c.byIP[counted]++
	}
	return nil
}

func (c *connections) release(counted netip.Addr, share int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.memory.release(share)
	c.open--
	if c.byIP[counted]--; c.byIP[counted] <= 0 {
		delete(c.byIP, counted)
	}
}

// rejectLate answers and hangs up. When too many are being answered already the
// connection is just closed: politeness must not become the load.
func (l *limiter) refuse(raw net.Conn, f *Fault) {
	if l.refusal == nil {
		raw.Close()
		return
	}
	select {
	case l.goodbyes <- struct{}{}:
	default:
		raw.Close()
		return
	}
	go func() {
		defer func() { <-l.goodbyes }()
		c := l.secured(raw)
		c.SetDeadline(time.Now().Add(lingerTime))
		c.Write(l.refusal(raw.RemoteAddr(), f))
		linger(c)
	}()
}

// place is what a connection takes of the bounds.
type place struct {
	of      *connections
	counted netip.Addr // as countedAs says
	share   int64
}

func (p *place) leave() { p.of.release(p.counted, p.share) }

// otherConn is a connection of another protocol.
type otherConn struct {
	net.Conn
	place
	closed sync.Once
}

// Close closes the connection; a second one does nothing.
func (c *otherConn) Close() (err error) {
	c.closed.Do(func() {
		err = c.Conn.Close()
		c.leave()
	})
	return err
}

// conn is a connection that gives its place back when it is closed, and that
// remembers how the latest request began: fasthttp forgets a request that it
// could not read, and the answer's dialect depends on the path.
type conn struct {
	net.Conn
	place
	linger atomic.Bool // close only after the peer had time to read
	closed sync.Once

	ended    bool // the peer sends no more
	answered bool // since the last Read
	length   int
	head     [64]byte
}

// Read reads, and notes the first bytes of what follows an answer.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.ended = c.ended || err == io.EOF
	if n > 0 && c.answered {
		c.length, c.answered = 0, false
	}
	c.length += copy(c.head[c.length:], p[:n])
	return n, err
}

// Write writes.
func (c *conn) Write(p []byte) (int, error) {
	c.answered = true
	return c.Conn.Write(p)
}

// path is where the latest request wanted to go, as far as it is known. In a
// pipeline it may be an earlier one's.
func (c *conn) path() string {
	_, rest, _ := strings.Cut(string(c.head[:c.length]), " ")
	path, _, _ := strings.Cut(rest, " ")
	return path
}

// Close closes the connection; a second one does nothing.
func (c *conn) Close() (err error) {
	c.closed.Do(func() {
		if c.linger.Load() {
			err = linger(c.Conn)
		} else {
			err = c.Conn.Close()
		}
		c.leave()
	})
	return err
}

const lingerTime = 500 * time.Millisecond

// linger closes in two steps. Closing a socket with unread input resets the
// connection, and the reset can overtake the answer that says why.
func linger(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		c.SetReadDeadline(time.Now().Add(lingerTime))
		io.Copy(io.Discard, c)
	}
	return c.Close()
}
