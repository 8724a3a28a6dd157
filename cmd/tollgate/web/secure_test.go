package web

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"tollgate/keys/redisdb/redistest/authority"
)

// secureKit is a server that speaks TLS.
type secureKit struct {
	*kit
	client *tls.Config
}

func serveSecure(t *testing.T, change func(*Config)) *secureKit {
	t.Helper()
	ca := authority.New(t)
	pair := ca.Issue()
	certificate := must(tls.LoadX509KeyPair(pair.Certificate, pair.Key))
	k := serve(t, func(c *Config) {
		c.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
		if change != nil {
			change(c)
		}
	})
	return &secureKit{k, ca.Client(authority.Pair{})}
}

func (k *secureKit) dial() *tls.Conn {
	k.t.Helper()
	c, err := tls.Dial("tcp", k.addr, k.client)
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(5 * time.Second))
	return c
}

// sayOn is say on a connection.
func sayOn(c net.Conn, text string) string {
	io.WriteString(c, strings.ReplaceAll(text, "\n", "\r\n")) // an error shows in what comes back
	out, _ := io.ReadAll(c)
	return string(out)
}

// Over TLS requests are read, refused and logged as in plaintext, and the memory of a
// connection is more.
func TestRequestsOverTLS(t *testing.T) {
	k := serveSecure(t, nil)
	wantAnswer(t, sayOn(k.dial(), post("/v1/greet", "", `{"name":"Ann"}`)), 200, "Ann")
	wantAnswer(t, sayOn(k.dial(), post("/v1/greet", "Transfer-Encoding: chunked\n", `{"name":"Ann"}`)), 400, "exclude each other")
	wantAnswer(t, sayOn(k.dial(), "GET / HTTP/3.0\n\n"), 400, "")
	wantAnswer(t, sayOn(k.dial(), "POST /v1/greet HTTP/1.1\nHost: x\n"+strings.Repeat("X: "+strings.Repeat("a", 1000)+"\n", 10)+"\n"), 431, "too large")
	two := strings.Replace(post("/v1/greet", "", `{"name":"Ann"}`), "Connection: close\n", "", 1) + post("/v1/greet", "", `{"name":"Bob"}`)
	if got := sayOn(k.dial(), two); !strings.Contains(got, "Ann") || !strings.Contains(got, "Bob") {
		t.Errorf("two requests on one connection: %s", got)
	}
	if !strings.Contains(k.log.String(), "client=127.0.0.1") {
		t.Errorf("the log has no client: %s", k.log)
	}
	c := k.dial()
	io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := c.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if used := k.MemoryUsed(); used < tlsShare {
		t.Errorf("a connection counts with %d bytes", used)
	}
}

// A body that ends with the connection is not complete, whether the end is said or not.
func TestABodyOverTLSThatEndsTooSoonIsRefused(t *testing.T) {
	k := serveSecure(t, nil)
	start := "POST /v1/greet HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\ne\n{\"name\":\"Ann\"}\n"
	c := k.dial()
	io.WriteString(c, strings.ReplaceAll(start, "\n", "\r\n"))
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	out, _ := io.ReadAll(c)
	wantAnswer(t, string(out), 400, "")

	c = k.dial()
	io.WriteString(c, strings.ReplaceAll(start, "\n", "\r\n"))
	if err := c.NetConn().(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	out, _ = io.ReadAll(c)
	wantAnswer(t, string(out), 400, "")
}

// Who does not finish the handshake is disconnected when the time for reading a request is
// over, holds nobody up meanwhile, and was no request.
func TestAHandshakeThatIsNotFinishedEnds(t *testing.T) {
	k := serveSecure(t, func(c *Config) { c.ReadTimeout = 300 * time.Millisecond })
	silent := must(net.Dial("tcp", k.addr))
	half := must(net.Dial("tcp", k.addr))
	io.WriteString(half, "\x16\x03\x01\x02\x00\x01\x00") // the beginning of a first message
	start := time.Now()
	wantAnswer(t, sayOn(k.dial(), post("/v1/greet", "", `{"name":"Ann"}`)), 200, "Ann")
	if took := time.Since(start); took > 250*time.Millisecond {
		t.Errorf("another client waited for %s", took)
	}
	for name, c := range map[string]net.Conn{"silent": silent, "half": half} {
		c.SetDeadline(time.Now().Add(5 * time.Second))
		if out, err := io.ReadAll(c); err != nil && !strings.Contains(err.Error(), "reset") || len(out) > 0 {
			t.Errorf("%s: %q, %v", name, out, err)
		}
		c.Close()
	}
	if log := k.log.String(); strings.Contains(log, "status=408") || !strings.Contains(log, "TLS handshake failed") {
		t.Errorf("the log is %s", log)
	}
	k.isEmpty()
}

// isEmpty waits until no connection holds memory.
func (k *kit) isEmpty() {
	k.t.Helper()
	for end := time.Now().Add(5 * time.Second); k.MemoryUsed() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			k.t.Fatalf("%d bytes are still in use", k.MemoryUsed())
		}
	}
}

// A connection too many is told so over TLS, and plaintext that this is TLS.
func TestRefusalsOverTLS(t *testing.T) {
	k := serveSecure(t, func(c *Config) { c.MaxConnsPerIP = 1 })
	wantAnswer(t, k.say(post("/v1/greet", "", `{"name":"Ann"}`)), 400, "https://")
	k.isEmpty()
	c := k.dial()
	io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := c.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, sayOn(k.dial(), post("/v1/greet", "", `{"name":"Ann"}`)), 429, "too many connections")
}
