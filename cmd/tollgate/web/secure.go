package web

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// tlsShare is what TLS adds to a connection's share of the memory: a record, the first
// message, and the state of the ciphers.
const tlsShare = 24 << 10

// secureConn is a connection over TLS. The handshake is part of the first read, so that it is
// made where the connection is served, within the time for reading a request, and neither
// stops others from being accepted. One that fails is the end of the connection: there was no
// request.
type secureConn struct {
	*tls.Conn
	raw   net.Conn
	of    *limiter
	shook bool
}

// secured returns a connection over TLS where the server speaks it. What is written before
// the first answer, which has a limit of its own, is part of the handshake.
func (l *limiter) secured(raw net.Conn) net.Conn {
	if l.tls == nil {
		return raw
	}
	_ = raw.SetWriteDeadline(time.Now().Add(l.handshake)) // of a connection that is closed already it fails, as everything will
	return &secureConn{Conn: tls.Server(raw, l.tls), raw: raw, of: l}
}

// Read reads, after the handshake.
func (c *secureConn) Read(p []byte) (int, error) {
	if !c.shook {
		c.shook = true
		if err := c.Handshake(); err != nil {
			c.failed(err)
			return 0, io.EOF
		}
	}
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) { // closed without a goodbye; HTTP says itself where a request ends
		err = io.EOF
	}
	return n, err
}

// failed logs why a handshake failed, and says to HTTP in plaintext that this is TLS.
func (c *secureConn) failed(err error) {
	var plain tls.RecordHeaderError
	if errors.As(err, &plain) && plain.Conn != nil && beginsHTTP[string(plain.RecordHeader[:4])] {
		_, _ = c.raw.Write(c.of.refusal(c.RemoteAddr(), &Fault{http.StatusBadRequest, "the server speaks TLS: use https://"}))
		_ = linger(c.raw)
		return
	}
	if !errors.Is(err, io.EOF) {
		c.of.unsecured(c.RemoteAddr(), err)
	}
}

// beginsHTTP has how requests begin in plaintext.
var beginsHTTP = map[string]bool{"GET ": true, "HEAD": true, "POST": true, "PUT ": true, "DELE": true, "PATC": true, "OPTI": true}

// unsecured logs a handshake that failed.
func (l *logger) unsecured(peer net.Addr, err error) {
	l.network.Do(func() { l.Info("TLS handshake failed", "client", AddressOf(peer).String(), "cause", err) })
}
