package web

import (
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

// limiter bounds the connections that a listener hands out, in all and per
// peer. Who is behind a trusted proxy is not known before a request is read, so
// such a peer counts in all only. fasthttp's own bound does not know IPv6 and
// answers in plain text.
type limiter struct {
	net.Listener
	max, perIP int
	addresses  *Addresses
	memory     *memory
	share      int64 // what a connection takes of the memory
	refusal    func(net.Addr, *Fault) []byte
	goodbyes   chan struct{} // one for each refusal under way

	mu   sync.Mutex
	open int
	byIP map[netip.Addr]int
}

func newLimiter(ln net.Listener, config Config, memory *memory, refusal func(net.Addr, *Fault) []byte) *limiter {
	return &limiter{
		Listener: ln, max: config.MaxConns, perIP: config.MaxConnsPerIP, memory: memory, share: config.connShare(),
		addresses: config.Addresses, refusal: refusal,
		goodbyes: make(chan struct{}, 64), byIP: map[netip.Addr]int{},
	}
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
		c := &conn{Conn: raw, limiter: l, counted: l.countedAs(addrOf(raw.RemoteAddr()))}
		f := l.admit(c.counted)
		if f == nil {
			return c, nil
		}
		l.refuse(raw, f)
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
func (l *limiter) countedAs(peer netip.Addr) netip.Addr {
	if !peer.IsValid() || l.addresses.Trusts(peer) {
		return netip.Addr{}
	}
	return Network(peer)
}

func (l *limiter) admit(counted netip.Addr) *Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.open >= l.max:
		return &Fault{http.StatusServiceUnavailable, "the server has too many connections"}
	case l.perIP > 0 && l.byIP[counted] >= l.perIP:
		return &Fault{http.StatusTooManyRequests, "too many connections from your address"}
	case !l.memory.reserveConn(l.share):
		return &Fault{http.StatusServiceUnavailable, "the server has no memory left for another connection"}
	}
	l.open++
	if counted.IsValid() {
		l.byIP[counted]++
	}
	return nil
}

func (l *limiter) release(counted netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.memory.release(l.share)
	l.open--
	if l.byIP[counted]--; l.byIP[counted] <= 0 {
		delete(l.byIP, counted)
	}
}

// rejectLate answers and hangs up. When too many are being answered already the
// connection is just closed: politeness must not become the load.
func (l *limiter) refuse(raw net.Conn, f *Fault) {
	select {
	case l.goodbyes <- struct{}{}:
	default:
		raw.Close()
		return
	}
	go func() {
		defer func() { <-l.goodbyes }()
		raw.SetDeadline(time.Now().Add(lingerTime))
		raw.Write(l.refusal(raw.RemoteAddr(), f))
		linger(raw)
	}()
}

// conn is a connection that gives its place back when it is closed, and that
// remembers how the latest request began: fasthttp forgets a request that it
// could not read, and the answer's dialect depends on the path.
type conn struct {
	net.Conn
	limiter *limiter
	counted netip.Addr  // as countedAs says
	linger  atomic.Bool // close only after the peer had time to read
	closed  sync.Once

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
		c.limiter.release(c.counted)
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
