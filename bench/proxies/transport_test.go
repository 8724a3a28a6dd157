package proxies

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// sent counts the bytes that the gateways were sent.
func (s *site) sent() (n int64) {
	for _, r := range s.relays {
		n += r.sent.Load()
	}
	return n
}

// asked counts the questions that the gateways were sent.
func (s *site) asked() (n int64) {
	for _, r := range s.relays {
		n += r.asked.Load()
	}
	return n
}

// conns counts the connections to the gateways.
func (s *site) conns() (n int64) {
	for _, r := range s.relays {
		n += r.conns.Load()
	}
	return n
}

// An upload reaches the application whole, and Tollgate is sent none of it. One that is
// refused is not passed on.
func TestUpload(t *testing.T) {
	body := make([]byte, 1<<20)
	_, _ = rand.Read(body)
	each(t, func(t *testing.T, p *proxy) {
		s := open(t, p, policy)
		k := newKey(t, nil)
		bodies := map[string]func() io.Reader{
			"with a length": func() io.Reader { return bytes.NewReader(body) },
			"in chunks":     func() io.Reader { return io.MultiReader(bytes.NewReader(body)) },
		}
		for name, reader := range bodies {
			before := s.sent()
			saw := s.admitted(k, s.send("POST", target, reader(), "Authorization", "Bearer "+k.secret, "Content-Encoding", "x-test"))
			if saw.Method != "POST" || saw.Length != len(body) || saw.Sum != sha256.Sum256(body) {
				t.Errorf("%s: the application got %s with %d bytes", name, saw.Method, saw.Length)
			}
			if n := s.sent() - before; n > 4096 {
				t.Errorf("%s: Tollgate was sent %d bytes", name, n)
			}
		}
		s.untouched(func() {
			// A proxy may close the connection before it has read all of it.
			if a, err := s.try("POST", target, bytes.NewReader(body)); err == nil && a.status != http.StatusUnauthorized {
				t.Errorf("without a key: %s", a)
			}
		})
	})
}

// Connections to Tollgate are kept.
func TestConnectionsAreKept(t *testing.T) {
	const requests = 200
	each(t, func(t *testing.T, p *proxy) {
		s := open(t, p, policy, p.keep...)
		k := newKey(t, nil)
		for range requests {
			s.admitted(k, s.use(k))
		}
		if n := s.conns(); n < 1 || n > requests/10 {
			t.Errorf("%d connections for %d requests", n, requests)
		} else {
			t.Logf("%d connections for %d requests", n, requests)
		}
	})
}

// A WebSocket is opened with a key, once, and carries messages in both directions.
func TestWebSocket(t *testing.T) {
	each(t, func(t *testing.T, p *proxy) {
		s := open(t, p, policy)
		k := newKey(t, credits(1))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		dial := func(headers http.Header) (*websocket.Conn, *http.Response, error) {
			return websocket.Dial(ctx, "ws://"+s.addr+target, &websocket.DialOptions{HTTPHeader: headers})
		}
		s.untouched(func() {
			if _, res, err := dial(nil); err == nil || res == nil || res.StatusCode != http.StatusUnauthorized {
				t.Errorf("without a key: %v %v", res, err)
			}
		})
		conn, _, err := dial(http.Header{"X-Api-Key": {k.secret}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		if _, id, err := conn.Read(ctx); err != nil || string(id) != k.id {
			t.Fatalf("the application sees X-Key-Id %q: %v", id, err)
		}
		for _, message := range []string{"one", "two"} {
			if err := conn.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
				t.Fatal(err)
			}
			if _, got, err := conn.Read(ctx); err != nil || string(got) != message {
				t.Fatalf("want %q, got %q: %v", message, got, err)
			}
		}
		if left := k.left(t); left != 0 {
			t.Errorf("%d uses are left", left)
		}
	})
}
