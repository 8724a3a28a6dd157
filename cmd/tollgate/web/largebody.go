package web

import (
	"bytes"
	"io"
	"net/http"
	"runtime"
	"sync"
)

// largeBody is the body of a large answer. Its bytes count as the server's memory until
// they are written, or the connection is gone: whoever asks for large answers and does not
// read them can fill a part of the budget and never the machine. They are written piece by
// piece: one long write would keep a processor from everybody else.
type largeBody struct {
	pieces [][]byte // what is still to be written
	end    func()   // gives the memory back, once
}

// Read implements io.Reader.
func (b *largeBody) Read(p []byte) (int, error) {
	if len(b.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.pieces[0])
	if b.pieces[0] = b.pieces[0][n:]; len(b.pieces[0]) == 0 {
		b.pieces = b.pieces[1:]
	}
	return n, nil
}

// SupportsBodyWriteTo implements fasthttp.BodyWriterTo.
func (b *largeBody) SupportsBodyWriteTo() bool { return true }

// WriteTo implements io.WriterTo.
func (b *largeBody) WriteTo(w io.Writer) (sum int64, err error) {
	for len(b.pieces) > 0 && err == nil {
		var n int
		n, err = w.Write(b.pieces[0])
		sum += int64(n)
		b.pieces = b.pieces[1:]
		runtime.Gosched()
	}
	return sum, err
}

// Close implements io.Closer: the memory is free again.
func (b *largeBody) Close() error {
	b.pieces = nil
	b.end()
	return nil
}

// setLarge makes pieces of n bytes in all the answer's body. The server keeps them.
func (c *Call) setLarge(contentType string, pieces [][]byte, n int) error {
	end, ok := c.server.answers.reserve(c.workspace(), int64(n))
	if !ok {
		return errAnswers
	}
	c.http.SetContentType(contentType)
	c.http.Response.SetBodyStream(&largeBody{pieces, end}, n)
	return nil
}

var errAnswers = &Fault{http.StatusServiceUnavailable, "too many large answers have not been read yet; try again later"}

// answers is the memory of large answers. One of each workspace takes what a large body may.
// Where it has more of them, they take at most half of the server's memory, and those of the
// workspace half of that, so that neither other workspaces nor other requests are left
// without.
type answers struct {
	memory *memory
	mu     sync.Mutex
	of     map[string]int64 // bytes, by workspace
}

// reserve takes n bytes for a workspace, and reports whether they were free. The function
// that it returns gives them back, however often it is called.
func (a *answers) reserve(workspace string, n int64) (end func(), ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	held, limit := a.of[workspace], a.memory.limit
	switch {
	case held == 0:
		ok = a.memory.reserveLarge(n)
	case held+n > limit/4:
		a.memory.refused.Add(1)
	default:
		ok = a.memory.reserve(n, limit/2)
	}
	if !ok {
		return nil, false
	}
	a.of[workspace] += n
	return sync.OnceFunc(func() { a.release(workspace, n) }), true
}

func (a *answers) release(workspace string, n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of[workspace] -= n; a.of[workspace] == 0 {
		delete(a.of, workspace)
	}
	a.memory.release(n)
}

// pieceSize is how many bytes a piece of a large body has, unless one row has more.
const pieceSize = 64 << 10

// pieceWriter collects an answer in pieces.
type pieceWriter struct {
	buf    *bytes.Buffer // the piece that is being written
	pieces [][]byte
	n      int // bytes of pieces
}

// cut ends the piece where it has so many bytes, and reports whether it did.
func (w *pieceWriter) cut(least int) bool {
	if w.buf.Len() < least {
		return false
	}
	w.pieces, w.n = append(w.pieces, bytes.Clone(w.buf.Bytes())), w.n+w.buf.Len()
	w.buf.Reset()
	return true
}
