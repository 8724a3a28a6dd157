package web

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// client is a keep-alive connection that knows when a request got no answer.
type client struct {
	net.Conn
	in *bufio.Reader
}

func dial(addr string) (*client, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return &client{c, bufio.NewReader(c)}, nil
}

// ask sends a request that takes a few milliseconds; last means that the
// server will close the connection.
func (c *client) ask(wait string) (last bool, err error) {
	body := `{"name":"Ann","wait":` + wait + `}`
	request := strings.Replace(post("/v1/greet", "", body), "Connection: close\n", "", 1)
	if _, err := io.WriteString(c, strings.ReplaceAll(request, "\n", "\r\n")); err != nil {
		return true, err
	}
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return true, err
	}
	got, err := io.ReadAll(r.Body)
	if err == nil && (r.StatusCode != 200 || !strings.Contains(string(got), "Ann")) {
		err = errors.New(r.Status)
	}
	return r.Close, err
}

func TestShutdownUnderLoadDropsNothing(t *testing.T) {
	k := serve(t, func(c *Config) { c.DrainDelay = 300 * time.Millisecond })
	var answered, dropped atomic.Int64
	var clients sync.WaitGroup
	ask := func(c *client) (last bool) {
		last, err := c.ask("2")
		if err != nil {
			dropped.Add(1)
			t.Errorf("ready %v: %v", k.Ready(), err)
		}
		answered.Add(1)
		return last
	}
	for range 16 {
		clients.Go(func() { // keeps its connection until it is told to leave
			c, err := dial(k.addr)
			for err == nil && !ask(c) {
			}
		})
		clients.Go(func() { // opens one for each request, while the server is ready
			for k.Ready() {
				c, err := dial(k.addr)
				if err != nil {
					t.Errorf("dial: %v", err)
					return
				}
				ask(c)
				c.Close()
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	before := answered.Load()
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := k.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	clients.Wait()
	if err := <-k.done; err != nil {
		t.Error(err)
	}
	if dropped.Load() > 0 || answered.Load() == before || before < 100 {
		t.Errorf("%d dropped; %d answered, %d of them after shutdown began", dropped.Load(), answered.Load(), answered.Load()-before)
	}
	if _, err := dial(k.addr); err == nil || time.Since(start) > 2*time.Second {
		t.Errorf("still listening, or slow: %v", time.Since(start))
	}
}

func TestShutdownWaitsForWhatIsUnderWayAndClosesTheIdle(t *testing.T) {
	k := serve(t, nil)
	idle := k.hold()
	busy, err := dial(k.addr)
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		last, err := busy.ask("400")
		if err == nil && !last {
			err = errors.New("the answer does not close the connection")
		}
		result <- err
	}()
	time.Sleep(100 * time.Millisecond)
	if err := k.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
	idle.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := idle.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the idle connection: %v", err)
	}
}

func TestShutdownGivesUpWithItsContext(t *testing.T) {
	k := serve(t, nil)
	busy, err := dial(k.addr)
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() { _, err := busy.ask("4000"); result <- err }()
	time.Sleep(50 * time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := k.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := <-result; err == nil {
		t.Error("the handler's context was not cancelled")
	}
}

func TestNotReadyWhileDraining(t *testing.T) {
	k := serve(t, func(c *Config) { c.DrainDelay = 300 * time.Millisecond })
	done := make(chan error)
	go func() { done <- k.Shutdown(context.Background()) }()
	for k.Ready() {
		time.Sleep(time.Millisecond)
	}
	wantAnswer(t, k.say("GET /readyz HTTP/1.1\nHost: x\n\n"), 503, "not ready")
	wantAnswer(t, k.say("GET /v1/greet?name=Ann HTTP/1.1\nHost: x\n\n"), 200, "Ann")
	if err := <-done; err != nil {
		t.Error(err)
	}
}
