package web

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/redisdb"
)

// The kit: a live server on a port of its own, two dialects whose errors are
// easy to tell apart, and a raw connection to say anything to it.

type greeting struct {
	Name string `json:"name" check:"required,minLen=1"`
	Wait int64  `json:"wait"`
}

type greeted struct {
	Hello string `json:"hello"`
}

// failure is how the dialects of the tests write errors.
func failure(dialect string) func(*Call, Problem) {
	return func(c *Call, p Problem) {
		status := p.Status()
		if status == 0 {
			status = map[keys.Kind]int{
				keys.KindUnauthenticated: 401, keys.KindNotFound: 404, keys.KindUnavailable: 503, keys.KindInvalid: 400,
			}[p.Domain.Kind]
		}
		if status == 0 {
			status = 500
		}
		if c.Param("how") == "twice" {
			panic("the dialect is broken")
		}
		c.SetStatus(status)
		c.WriteJSON(map[string]any{"dialect": dialect, "status": status, "message": p.Message()})
	}
}

type kit struct {
	*Server
	t    *testing.T
	addr string
	log  *lockedBuffer
	done chan error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var ids atomic.Int64

func newID() string { return fmt.Sprintf("req_%d", ids.Add(1)) }

// serve starts a server; change may adapt its configuration.
func serve(t *testing.T, change func(*Config)) *kit {
	t.Helper()
	k := &kit{t: t, log: new(lockedBuffer), done: make(chan error, 1)}
	config := Config{DrainDelay: 1, Log: slog.New(slog.NewTextHandler(k.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if change != nil {
		change(&config)
	}
	k.Server = New(config, testRouter())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k.addr = ln.Addr().String()
	go func() { k.done <- k.Serve(ln) }()
	t.Cleanup(k.stop)
	for !k.Ready() {
		time.Sleep(time.Millisecond)
	}
	return k
}

func (k *kit) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := k.Shutdown(ctx); err != nil {
		k.t.Errorf("shutdown: %v", err)
	}
}

func testRouter() *Router {
	plain := &Dialect{Name: "plain", Prefixes: []string{"/"}, NewRequestID: newID, Fail: failure("plain")}
	one := &Dialect{
		Name: "one", Prefixes: []string{"/v1/"}, NewRequestID: newID, Fail: failure("one"),
		RequestIDHeader: "Test-Request-Id", CORS: true, Pretty: true,
	}
	two := &Dialect{
		Name: "two", Prefixes: []string{"/v2/"}, NewRequestID: newID, Fail: failure("two"),
		RequireJSON: true, Authorise: onlyOpenSesame,
		CheckCredential: onlyOpenSesame,
	}
	r := NewRouter(plain, one, two)
	r.Add(one,
		Route{Method: "POST", Path: "/v1/greet", Name: "greet", Endpoint: JSON(one, greet)},
		Route{Method: "GET", Path: "/v1/greet", Name: "greetQuery", Endpoint: Query(one, greet)},
		Route{Method: "GET", Path: "/v1/greet/{name}", Name: "greetPath", Endpoint: Plain(greetPath)},
		Route{Method: "GET", Path: "/v1/param", Name: "noParam", Endpoint: Plain(greetPath)},
		Route{Method: "POST", Path: "/v1/fail/{how}", Name: "fail", Endpoint: Plain(failSomehow)},
	)
	r.Add(two,
		Route{Method: "POST", Path: "/v2/greet", Name: "greet2", Needs: "greet.*", Endpoint: JSON(two, greet)},
		Route{Method: "POST", Path: "/v2/open", Name: "open", Public: true, Endpoint: JSON(two, greet)},
	)
	return r
}

func onlyOpenSesame(c *Call) error {
	if token, found := c.Bearer(); found != Presented || token != "sesame" {
		return keys.Errorf(keys.KindUnauthenticated, "", "who are you?")
	}
	c.Caller = "ali"
	return nil
}

func greet(c *Call, in *greeting) (greeted, error) {
	select {
	case <-time.After(time.Duration(in.Wait) * time.Millisecond):
		return greeted{in.Name}, nil
	case <-c.Context().Done():
		return greeted{}, c.Context().Err()
	}
}

func greetPath(c *Call) (greeted, error) { return greeted{c.Param("name")}, nil }

func failSomehow(c *Call) (greeted, error) {
	switch c.Param("how") {
	case "panic":
		panic("the panic quotes sk_secret")
	case "nil":
		var in *greeting
		return greeted{in.Name}, nil
	case "store":
		return greeted{}, redisdb.Unavailable(errors.New("dial tcp: refused"))
	case "unknown":
		return greeted{}, errors.New("a detail for the log")
	case "missing":
		return greeted{}, keys.Errorf(keys.KindNotFound, "api", "no such api")
	}
	return greeted{}, errors.New("no such failure")
}

// say sends text on a connection of its own, in which \n stands for CRLF, and
// gives everything that comes back until the server closes it or is silent.
func (k *kit) say(text string) string {
	k.t.Helper()
	return k.sayRaw(strings.ReplaceAll(text, "\n", "\r\n"))
}

func (k *kit) sayRaw(text string) string {
	k.t.Helper()
	c, err := net.Dial("tcp", k.addr)
	if err != nil {
		k.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	io.WriteString(c, text) // an error shows in what comes back
	out, _ := io.ReadAll(c)
	return string(out)
}

// post is a well-formed request that closes its connection.
func post(path, headers, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\nHost: x\nConnection: close\n%sContent-Length: %d\n\n%s", path, headers, len(body), body)
}

// parse reads the first answer in text.
func parse(t *testing.T, text string) (*http.Response, string) {
	t.Helper()
	text = strings.TrimPrefix(text, "HTTP/1.1 100 Continue\r\n\r\n")
	r, err := http.ReadResponse(bufio.NewReader(strings.NewReader(text)), nil)
	if err != nil {
		t.Fatalf("not an answer: %v\n%q", err, text)
	}
	body, _ := io.ReadAll(r.Body)
	return r, string(body)
}

// wantAnswer checks status and body of the first answer.
func wantAnswer(t *testing.T, text string, status int, body string) *http.Response {
	t.Helper()
	r, got := parse(t, text)
	if r.StatusCode != status || !strings.Contains(got, body) {
		t.Errorf("got %d %s, want %d …%s…", r.StatusCode, got, status, body)
	}
	return r
}
