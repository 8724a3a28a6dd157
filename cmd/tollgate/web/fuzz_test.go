package web

import (
	"bufio"
	"bytes"
	"cmp"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// Whatever an Authorization header says, a token is presented where it is the scheme, a
// space and one word, and nowhere else; and the token is that word.
func FuzzAuthorization(f *testing.F) {
	for _, header := range []string{
		"", " ", "Bearer", "Bearer ", "Bearer abc", "bearer  abc \t", "Bearer\tabc", "Bearer a b", "Bearer a\tb", " Bearer abc", "Basic YTpi",
		"Bearer Bearer abc", "Bearer abc,def", "Bearer \u00a0", "Token abc", "To\u212aen abc", "Bearer \x00\xff",
	} {
		f.Add(header, false)
		f.Add(header, true)
	}
	f.Fuzz(func(t *testing.T, header string, other bool) {
		scheme := "Bearer"
		if other {
			scheme = "Token"
		}
		token, found := parseAuthorization(header, scheme)
		words := strings.FieldsFunc(header, func(r rune) bool { return r == ' ' || r == '\t' })
		want, is := Missing, ""
		switch {
		case header == "":
		case len(words) == 2 && strings.EqualFold(words[0], scheme) && strings.HasPrefix(header, words[0]+" "):
			want, is = Presented, words[1]
		default:
			want = BadScheme
		}
		if found != want || token != is {
			t.Errorf("%q as %q: got %q %d, want %q %d", header, scheme, token, found, is, want)
		}
	})
}

// reading is what one reader makes of one request.
type reading struct{ method, path, authorization, address, body string }

// readings are what a connection's requests are to net/http, which is the other reader here. It does
// not take the empty lines before a request, which RFC 9112, section 2.2, has a server ignore.
func readings(raw []byte) (all []reading) {
	in := bufio.NewReader(bytes.NewReader(raw))
	for {
		for ahead, _ := in.Peek(1); string(ahead) == "\r" || string(ahead) == "\n"; ahead, _ = in.Peek(1) {
			_, _ = in.Discard(1)
		}
		r, err := http.ReadRequest(in)
		if err != nil {
			return all
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return all
		}
		all = append(all, reading{r.Method, cmp.Or(r.URL.Path, "/"), r.Header.Get("Authorization"), r.Header.Get("True-Client-IP"), string(body)})
	}
}

// watched is a server in the process that tells what its one handler, of all paths, has seen.
type watched struct {
	conns chan net.Conn
	seen  []reading
}

// Accept, Close and Addr make it its own listener.
func (w *watched) Accept() (net.Conn, error) {
	if c, ok := <-w.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (w *watched) Close() error { return nil }

func (*watched) Addr() net.Addr { return new(net.TCPAddr) }

// monologue is a connection on which all has been said, and nobody listens.
type monologue struct {
	*bytes.Reader
	over chan struct{}
}

func (m monologue) Write(p []byte) (int, error) { return len(p), nil }

func (m monologue) Close() error { close(m.over); return nil }

func (monologue) LocalAddr() net.Addr { return new(net.TCPAddr) }

func (monologue) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv6loopback} }

func (monologue) SetDeadline(time.Time) error { return nil }

func (monologue) SetReadDeadline(time.Time) error { return nil }

func (monologue) SetWriteDeadline(time.Time) error { return nil }

func newWatched(f *testing.F) *watched {
	f.Helper()
	w := &watched{conns: make(chan net.Conn)}
	d := &Dialect{Name: "all", Prefixes: []string{"/"}, NewRequestID: newID, Fail: failure("all"), RequestIDHeader: "Test-Request-Id", CORS: true, Pretty: true}
	router := NewRouter(d)
	for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
		router.Add(d, Route{Method: method, Path: "/{rest:*}", Name: method, Endpoint: withBody(Plain(w.see))})
	}
	server := New(Config{DrainDelay: 1, Log: slog.New(slog.DiscardHandler)}, router)
	go func() { _ = server.Serve(w) }()
	f.Cleanup(func() { close(w.conns) })
	return w
}

func (w *watched) see(c *Call) (greeted, error) {
	path, err := url.PathUnescape(c.Path())
	if err != nil {
		path = err.Error()
	}
	w.seen = append(w.seen, reading{c.Method(), path, c.Authorization(), c.Header("True-Client-IP"), string(c.Body())})
	return greeted{c.Param("rest")}, nil
}

// say returns what the handler saw of all that was said on one connection.
func (w *watched) say(t *testing.T, raw []byte) []reading {
	w.seen = nil
	m := monologue{bytes.NewReader(raw), make(chan struct{})}
	w.conns <- m
	select {
	case <-m.over:
	case <-time.After(10 * time.Second):
		t.Fatalf("%q: the connection stays open", raw)
	}
	return w.seen
}

// No message that can be read two ways reaches a handler: what does is the same request, and in the
// same place among those of its connection, to the reader of another server.
func FuzzRequests(f *testing.F) {
	w := newWatched(f)
	ordinary := "POST /v1/a?b=c HTTP/1.1\nHost: x\nAuthorization: Bearer a\nContent-Length: 2\n\n{}"
	for _, request := range []string{
		ordinary, "GET / HTTP/1.1\nHost: x\n\n", "GET /a HTTP/1.0\n\n", "\n" + ordinary, "OPTIONS * HTTP/1.1\nHost: x\n\n",
		"POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n2\n{}\n0\n\n",
		"POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n2;a=b\n{}\n0\nAuthorization: Bearer b\n\n",
		"POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n0x2\n{}\n0\n\n",
		"POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n 2 \n{}\n0\n\n",
		"POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nContent-Length: 2\n\n{}",
		"GET / HTTP/1.1\nHost: x\nContent-Length: 2\n\n{}", "GET / HTTP/1.1\nHost: x\nContent-Length: 002\n\n{}",
		"POST / HTTP/1.0\nConnection: keep-alive\nTransfer-Encoding: chunked\n\n2\n{}\n0\n\n",
		"POST / HTTP/1.1\nHost: x\nExpect: 100-continue\nContent-Length: 2\n\n{}",
		"POST http://y/a HTTP/1.1\nHost: x\nContent-Length: 0\n\n", "POST //a/../b HTTP/1.1\nHost: x\nContent-Length: 0\n\n",
		"POST /a%2fb%00#c HTTP/1.1\nHost: x\nContent-Length: 0\n\n", "POST /a b HTTP/1.1\nHost: x\n\n", "post / HTTP/1.1\nHost: x\n\n",
		"POST / HTTP/1.2\nHost: x\nContent-Length: 2\n\n{}", "POST / HTTP/11\nHost: x\n\n", "POST /\nHost: x\n\n", "POST\t/ HTTP/1.1\nHost: x\n\n",
		"POST / HTTP/1.1\nHost: x\nContent-Length: 9223372036854775808\n\n{}", "POST / HTTP/1.1\nHost: x\nContent-Length : 2\n\n{}",
		"POST / HTTP/1.1\nHost: x\nTrue-Client-IP: ::1\nTrue-Client-Ip: ::2\n\n", "POST / HTTP/1.1\n Host: x\nHost: x\n\n",
	} {
		for _, all := range []string{request, request + ordinary} {
			f.Add([]byte(strings.ReplaceAll(all, "\n", "\r\n")))
			f.Add([]byte(all))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 2<<10 {
			return
		}
		seen, other := w.say(t, raw), readings(raw)
		at := 0
		for _, one := range seen { // of some the handler hears nothing, such as of OPTIONS
			i := slices.Index(other[at:], one)
			if i < 0 {
				t.Fatalf("%q\nreached the handler as %+v\nto the other reader it is %+v", raw, one, other[at:])
			}
			at += i + 1
		}
	})
}
