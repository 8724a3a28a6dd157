package web

import (
	"io"
	"net/http"
	"strconv"
)

// Bodies are read here, not by fasthttp, so that none takes memory before it may: fasthttp
// reads the first prefetch bytes of a body with its headers and leaves the rest on the
// connection. The law:
//
//   - no byte is read into memory that was not reserved before;
//   - of a sender that is not known to be good at most smallBody bytes are read;
//   - a body that was not read to its end ends its connection: nobody can say any more
//     where the next request begins.
const (
	prefetch  = 1 << 10  // bytes
	smallBody = 16 << 10 // bytes
)

// connShare is what a connection is charged with: its buffer for headers, the one for
// answers, the prefetched part of a body, and fasthttp's own state.
func (c *Config) connShare() int64 {
	share := int64(c.MaxHeader) + 4<<10 + prefetch + 3<<10
	if c.TLS != nil {
		share += tlsShare
	}
	return share
}

// prefetched is how much of a body fasthttp reads by itself.
func (c *Config) prefetched() int { return min(prefetch, c.MaxBody) }

var (
	errBodyTooLarge          = &Fault{http.StatusRequestEntityTooLarge, "the request's body is too large"}
	errBodyWithoutCredential = &Fault{http.StatusRequestEntityTooLarge, "without a root key a body has at most " + strconv.Itoa(smallBody) + " bytes"}
	errNoMemory              = &Fault{http.StatusServiceUnavailable, "the server has no memory left for this request; try again later"}
)

// readBody reads the request's body, for Body. It is asked before Admit, so that
// whoever is admitted is so after the last byte came.
func (c *Call) readBody() error {
	stream := c.http.Request.BodyStream()
	if stream == nil {
		return nil
	}
	if c.in = c.in[:0]; c.inMemory() {
		return c.readAll(stream, c.bodyLength())
	}
	err := c.readAll(stream, c.bodyLength())
	c.restart()
	return err
}

// bodyLength is what the request says about its body; -1 where it is sent in chunks.
func (c *Call) bodyLength() int { return c.http.Request.Header.ContentLength() }

// inMemory reports whether the whole body came with the headers: nothing of it is left
// on the connection.
func (c *Call) inMemory() bool {
	length := c.bodyLength()
	return length >= 0 && length <= c.server.config.prefetched()
}

// readAll reads a body of a length, -1 for unknown, to its end.
func (c *Call) readAll(stream io.Reader, length int) error {
	if err := c.growBody(length); err != nil {
		return err
	}
	for {
		n, err := stream.Read(c.in[len(c.in):cap(c.in)])
		c.in = c.in[:len(c.in)+n]
		switch {
		case err == io.EOF:
			return c.endBody(length)
		case err != nil:
			return faultOf(err)
		case len(c.in) < cap(c.in):
		case length >= 0: // the end is told by the next read
			if len(c.in) == length {
				return c.endBody(length)
			}
		default:
			if err := c.growBody(length); err != nil {
				return err
			}
		}
	}
}

// endBody refuses a body that ended before it should. fasthttp tells the end of the
// connection within a chunked body like the end of the body; the former was read from
// the connection.
func (c *Call) endBody(length int) error {
	conn, _ := c.http.Conn().(*conn)
	if length >= 0 && len(c.in) < length || length < 0 && conn != nil && conn.ended {
		return faultOf(io.ErrUnexpectedEOF)
	}
	c.whole = true
	if len(c.in) > c.server.config.MaxBody { // there was room left in a buffer that is used again
		return errBodyTooLarge
	}
	return nil
}

// growBody makes room for a body of a length; for one of unknown length for more than
// there is.
func (c *Call) growBody(length int) error {
	size := c.bodySize(length)
	if size == len(c.in) && length < 0 {
		return errBodyTooLarge
	}
	if size > smallBody+1 || length > smallBody {
		if err := c.checkCredential(); err != nil {
			return err
		}
	}
	if err := c.reserveBody(max(size, cap(c.in))); err != nil {
		return err
	}
	if size > cap(c.in) {
		c.in = append(make([]byte, 0, size), c.in...)
	}
	return nil
}

// bodySize is how much room the body takes next: its length, or twice what there is. A
// byte beyond a bound tells a body that ends there from one that goes on.
func (c *Call) bodySize(length int) int {
	most := c.server.config.MaxBody + 1
	switch have := len(c.in); {
	case length >= 0:
		return length
	case have == 0:
		return min(2*prefetch, most)
	case have <= smallBody:
		return min(2*have, smallBody+1, most)
	default:
		return min(2*have, most)
	}
}

// reserveBody takes what a body of this many bytes needs of the budget.
func (c *Call) reserveBody(size int) error {
	if c.inMemory() {
		return nil
	}
	reserve := c.server.memory.reserveSmall
	if size > smallBody+1 {
		reserve = c.server.memory.reserveLarge
	}
	if !reserve(int64(size)) {
		return errNoMemory
	}
	c.reserved += int64(size)
	return nil
}

// checkCredential refuses a large body of whoever is not known to be good.
func (c *Call) checkCredential() error {
	switch {
	case c.credentialGood:
		return nil
	case c.dialect.CheckCredential == nil, c.route.Public && c.Authorization() == "":
		return errBodyWithoutCredential
	}
	err := c.dialect.CheckCredential(c)
	c.credentialGood = err == nil
	return err
}

// checkBodyLength refuses a body that is too large by its own account.
func (c *Call) checkBodyLength() *Fault {
	if c.bodyLength() > c.server.config.MaxBody {
		return errBodyTooLarge
	}
	return nil
}

// leaveBody closes the connection behind the answer where a part of the body is still
// on it.
func (c *Call) leaveBody() {
	if c.http.Request.BodyStream() != nil && !c.whole && !c.inMemory() {
		c.hangUp()
	}
}

// hangUp closes the connection behind the answer, once the peer had time to read it.
func (c *Call) hangUp() {
	c.http.SetConnectionClose()
	if conn, ok := c.http.Conn().(*conn); ok {
		conn.linger.Store(true)
	}
}
