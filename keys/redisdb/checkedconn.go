package redisdb

import (
	"bytes"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// How often a connection asks whether its server is a master, and for how long an
// answer to that is believed.
const (
	roleCheckEvery = 500 * time.Millisecond
	roleCheckSoon  = 50 * time.Millisecond // while a replica may be falling silent
	roleMaxAge     = time.Second
)

// infoCommand is what asks. It goes ahead of a request on the same connection, since a pool's
// connections may end at different servers behind one address.
const infoCommand = "*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n"

// maxInfoReply bounds the reply, in bytes: some 100 for each replica.
const maxInfoReply = 1 << 18

// checkedConn is a connection whose answers are handed on only as long as its server is
// a master: that was asked, and answered on this connection, at most a second before.
// A request that finds the last look older than roleCheckEvery is sent behind another one, in
// the same write, so a look costs no trip, and an idle connection asks nothing. A server
// that is no master fails the read: go-redis then drops the connection.
//
// It relies on how go-redis uses a connection: everything of a request or a pipeline is
// written, in one write or several, before any of its reply is read, and nothing is
// written before that reply was read to its end. So the first write after a read is
// where a request begins. This does not hold for auto-pipelining with FullDuplex, nor
// for subscriptions, which Tollgate does not use.
type checkedConn struct {
	net.Conn
	server *server

	sending     bool          // something was written and nothing read since
	infoSentAt  time.Time     // when the look was sent whose reply is still to come; zero for none
	confirmedAt time.Time     // when the last look was sent that found a master; zero for none
	interval    time.Duration // how old good may be before the next look
	unread      []byte        // the part of the look's reply that has come, then what came behind it
	failed      error         // why nothing is handed on any more: go-redis reads on after some errors
}

// newCheckedConn wraps a connection on which nothing was sent yet.
func newCheckedConn(c net.Conn, s *server) net.Conn {
	checked := &checkedConn{Conn: c, server: s, interval: roleCheckEvery}
	if raw, ok := c.(syscall.Conn); ok {
		return &checkedSocket{checked, raw}
	}
	return checked
}

// checkedSocket is a checkedConn on a plain socket. go-redis looks at the socket itself
// to see whether an idle connection is still open; of TLS it must not.
type checkedSocket struct {
	*checkedConn
	raw syscall.Conn
}

// SyscallConn implements syscall.Conn.
func (c *checkedSocket) SyscallConn() (syscall.RawConn, error) { return c.raw.SyscallConn() }

// Write implements net.Conn.
func (c *checkedConn) Write(p []byte) (int, error) {
	if c.sending {
		return c.Conn.Write(p)
	}
	c.sending = true
	now := time.Now()
	if now.Sub(c.confirmedAt) <= c.interval {
		return c.Conn.Write(p)
	}
	c.infoSentAt = now
	n, err := c.Conn.Write(append([]byte(infoCommand), p...))
	return max(0, n-len(infoCommand)), err
}

// Read implements net.Conn.
func (c *checkedConn) Read(p []byte) (int, error) {
	c.sending = false
	for c.failed == nil && !c.infoSentAt.IsZero() {
		if err := c.readInfo(); err != nil {
			return 0, err
		}
	}
	if c.failed != nil {
		return 0, c.failed
	}
	n, err := c.read(p)
	// Before a connection has logged in there is no good look, and no answer but that
	// to the login.
	if err == nil && !c.confirmedAt.IsZero() && time.Since(c.confirmedAt) > roleMaxAge {
		c.failed = errStaleAnswer
		return 0, c.failed
	}
	return n, err
}

// read reads what came behind the look's reply, or else from the connection.
func (c *checkedConn) read(p []byte) (int, error) {
	if len(c.unread) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.unread)
	if c.unread = c.unread[n:]; len(c.unread) == 0 {
		c.unread = nil
	}
	return n, nil
}

// readInfo reads more of the look's reply, and judges it when it is complete. It
// returns what went wrong with the reading, not with what was read.
func (c *checkedConn) readInfo() error {
	var buffer [4096]byte
	n, err := c.Conn.Read(buffer[:])
	c.unread = append(c.unread, buffer[:n]...)
	kind, text, size, fault := parseReply(c.unread)
	switch {
	case fault != nil:
		c.failed = fault
		return nil
	case size == 0:
		return err // more is to come, or nothing any more
	}
	c.unread = c.unread[size:]
	sent := c.infoSentAt
	c.infoSentAt = time.Time{}
	c.failed = c.noteRole(kind, text, sent)
	return nil
}

// noteRole takes note of the reply to a look that was sent at a moment.
func (c *checkedConn) noteRole(kind byte, text string, sent time.Time) error {
	if kind == '-' {
		return c.refused(text)
	}
	wavering, err := c.server.judge(text)
	if err != nil {
		return err
	}
	c.confirmedAt, c.interval = sent, roleCheckEvery
	if wavering {
		c.interval = roleCheckSoon
	}
	return nil
}

// refused is what a look comes to that the server refused. To one that wants a login
// first, the request behind the look is that login, or is refused as well: nothing is
// believed of it, and the next request asks again.
func (c *checkedConn) refused(text string) error {
	c.confirmedAt = time.Time{}
	switch code, _, _ := strings.Cut(text, " "); {
	case code == "NOAUTH":
		return nil
	case code == "NOPERM", strings.HasPrefix(text, "ERR unknown command"):
		return fmt.Errorf("%w: %s", ErrInfo, text)
	}
	return fmt.Errorf("%w: %s", errInfoReply, text)
}

// parseReply reads an error ('-'), a bulk string ('$') or a verbatim string ('=') at the
// beginning of b. It returns its text and its size in b; the size is 0 where b ends
// before the reply does.
func parseReply(b []byte) (kind byte, text string, size int, err error) {
	end := bytes.Index(b, []byte("\r\n"))
	switch {
	case len(b) == 0 || end < 0 && len(b) < 1024:
		return 0, "", 0, nil
	case end < 0:
		return 0, "", 0, errInfoReply
	}
	kind, head, after := b[0], string(b[1:end]), end+2
	if kind == '-' {
		return kind, head, after, nil
	}
	length, err := strconv.Atoi(head)
	if kind != '$' && kind != '=' || err != nil || length < 0 || length > maxInfoReply {
		return 0, "", 0, errInfoReply
	}
	if len(b) < after+length+2 {
		return 0, "", 0, nil
	}
	text = string(b[after : after+length])
	if kind == '=' { // behind the format, such as txt:
		text = text[min(4, len(text)):]
	}
	return kind, text, after + length + 2, nil
}
