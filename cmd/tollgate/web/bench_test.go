package web

import (
	"bufio"
	"log/slog"
	"strings"
	"testing"

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
