package web

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func short(c *Config) {
	c.ReadTimeout, c.IdleTimeout, c.RequestTimeout = 150*time.Millisecond, 150*time.Millisecond, 150*time.Millisecond
}

func TestASlowRequestIsAnswered408(t *testing.T) {
	k := serve(t, short)
	for name, test := range map[string]struct{ request, dialect string }{
		"nothing": {"", "plain"},
		"headers": {"POST /v1/greet HTTP/1.1\nHost:", "one"},
		"body":    {"POST /v1/greet HTTP/1.1\nHost: x\nContent-Length: 10\n\n{", "one"},
		"chunks":  {"POST /v2/greet HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n5\n{", "two"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantAnswer(t, k.say(test.request), 408, `"dialect":"`+test.dialect+`"`)
		})
	}
}

// TestATrickleDoesNotExtendTheTime sends a byte now and then, as slow attacks do.
func TestATrickleDoesNotExtendTheTime(t *testing.T) {
	k := serve(t, short)
	c, err := net.Dial("tcp", k.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	start := time.Now()
	go func() {
		for _, b := range []byte("POST /v1/greet HTTP/1.1\r\n" + strings.Repeat("X-A: b\r\n", 100)) {
			c.Write([]byte{b})
			time.Sleep(20 * time.Millisecond)
		}
	}()
	out, _ := io.ReadAll(c)
	if took := time.Since(start); took > time.Second || !strings.HasPrefix(string(out), "HTTP/1.1 408") {
		t.Errorf("%v: %q", took, out)
	}
}

func TestAnIdleConnectionIsClosedInSilence(t *testing.T) {
	k := serve(t, short)
	answer := k.say("GET /v1/greet?name=Ann HTTP/1.1\nHost: x\n\n")
	if strings.Count(answer, "HTTP/1.1") != 1 {
		t.Errorf("%q", answer)
	}
}

func TestTheDeadlineReachesTheHandler(t *testing.T) {
	k := serve(t, short)
	r := wantAnswer(t, k.say(post("/v1/greet", "", `{"name":"Ann","wait":5000}`)), 503, "the store did not answer in time")
	if r.Header.Get("Retry-After") != "1" {
		t.Error("no Retry-After")
	}
}

func TestAContextOutlivesItsRequestAndHasEnded(t *testing.T) {
	s := New(Config{RequestTimeout: time.Hour}, testRouter())
	c := &Call{server: s, start: time.Now()}
	used, unused := c.Context(), (&Call{server: s, start: time.Now()}).Context()
	if used.Err() != nil {
		t.Error(used.Err())
	}
	if when, ok := used.Deadline(); !ok || time.Until(when) < 59*time.Minute {
		t.Error(when, ok)
	}
	c.release()
	unused.(*requestContext).end()
	for name, ctx := range map[string]context.Context{"used": used, "unused": unused} {
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
			t.Errorf("%s: it has not ended", name)
		}
	}
}
