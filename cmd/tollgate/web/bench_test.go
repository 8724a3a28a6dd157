package web

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

type verdict struct{ Valid bool }

func (v *verdict) AppendJSON(b []byte) []byte { return append(b, `{"valid":true,"code":"VALID"}`...) }

// BenchmarkServe is everything around a handler, without the network.
func BenchmarkServe(b *testing.B) {
	type verify struct {
		Key string `json:"key" check:"required,minLen=1"`
	}
	d := &Dialect{Name: "one", Prefixes: []string{"/"}, NewRequestID: func() string { return "req_1" }, Fail: failure("one"), RequestIDHeader: "Unkey-Request-Id", CORS: true}
	r := NewRouter(d)
	answer := &verdict{true}
	r.Add(d, Route{Method: "POST", Path: "/v1/keys.verifyKey", Endpoint: JSON(d, func(c *Call, in *verify) (*verdict, error) {
		if _, ok := c.Context().Deadline(); !ok || in.Key == "" {
			b.Fatal("no deadline")
		}
		return answer, nil
	})})
	s := New(Config{Log: slog.New(slog.DiscardHandler)}, r)
	var ctx fasthttp.RequestCtx
	text := strings.ReplaceAll(post("/v1/keys.verifyKey", "User-Agent: bench\nAccept: */*\nContent-Type: application/json\n", `{"key":"prefix_8pEuzVt6bGb1qRg4o5xvjSoC"}`), "\n", "\r\n")
	if err := ctx.Request.Read(bufio.NewReader(strings.NewReader(text))); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		ctx.Response.Reset()
		s.serve(&ctx)
	}
	if ctx.Response.StatusCode() != 200 {
		b.Fatal(ctx.Response.String())
	}
}

// sameAgain is a connection on which the same request comes n times.
type sameAgain struct {
	net.Conn
	request []byte
	left    int
}

func (r *sameAgain) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	r.left--
	return copy(p, r.request), nil
}

func (*sameAgain) Write(p []byte) (int, error) { return len(p), nil }

func (*sameAgain) Close() error { return nil }

func (*sameAgain) RemoteAddr() net.Addr { return &net.TCPAddr{} }

func (*sameAgain) LocalAddr() net.Addr { return &net.TCPAddr{} }

func (*sameAgain) SetDeadline(time.Time) error { return nil }

func (*sameAgain) SetReadDeadline(time.Time) error { return nil }

func (*sameAgain) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkConnection is requests with a small body on one connection, read and answered
// without a network.
func BenchmarkConnection(b *testing.B) {
	d := &Dialect{Name: "one", Prefixes: []string{"/"}, NewRequestID: func() string { return "req_1" }, Fail: failure("one"), RequestIDHeader: "Unkey-Request-Id", CORS: true}
	r := NewRouter(d)
	answer := &verdict{true}
	r.Add(d, Route{Method: "POST", Path: "/v1/keys.verifyKey", Endpoint: JSON(d, func(*Call, *greeting) (*verdict, error) { return answer, nil })})
	s := New(Config{Log: slog.New(slog.DiscardHandler)}, r)
	text := strings.Replace(post("/v1/keys.verifyKey", "User-Agent: bench\nAccept: */*\nContent-Type: application/json\n", `{"name":"prefix_8pEuzVt6bGb1qRg4o5xvjSoC"}`), "Connection: close\n", "", 1)
	c := &sameAgain{request: []byte(strings.ReplaceAll(text, "\n", "\r\n")), left: b.N}
	b.ReportAllocs()
	b.ResetTimer()
	if err := s.http.ServeConn(c); err != nil {
		b.Fatal(err)
	}
}
