package web

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// inChunks is a request whose body comes in chunks of at most size bytes.
func inChunks(path, headers, body string, size int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "POST %s HTTP/1.1\nHost: x\nConnection: close\n%sTransfer-Encoding: chunked\n\n", path, headers)
	for len(body) > 0 {
		n := min(size, len(body))
		fmt.Fprintf(&b, "%x\n%s\n", n, body[:n])
		body = body[n:]
	}
	return b.String() + "0\n\n"
}

// named is a JSON body of a size.
func named(size int) string {
	const around = `{"name":""}`
	return `{"name":"` + strings.Repeat("a", size-len(around)) + `"}`
}

const (
	asJSON = "Content-Type: application/json\n"
	known  = asJSON + "Authorization: Bearer sesame\n"
	guess  = asJSON + "Authorization: Bearer guess\n"
)

// A body of up to 16 KiB is read from anybody, a larger one from who is known to be good
// alone, whether its length is told or it comes in chunks.
func TestLargeBodiesAreForTheKnown(t *testing.T) {
	k := serve(t, func(c *Config) { c.MaxBody = 100_000 })
	for name, send := range map[string]func(path, headers, body string) string{
		"length":      post,
		"chunks":      func(path, headers, body string) string { return inChunks(path, headers, body, 5000) },
		"tiny chunks": func(path, headers, body string) string { return inChunks(path, headers, body, 700) },
		"one chunk":   func(path, headers, body string) string { return inChunks(path, headers, body, 1<<20) },
	} {
		for _, size := range []int{12, prefetch - 1, prefetch, prefetch + 1, 2 * prefetch, 2*prefetch + 1, smallBody - 1, smallBody} {
			wantAnswer(t, k.say(send("/v2/open", asJSON, named(size))), 200, `{"hello":"aa`[:11])
		}
		for _, size := range []int{smallBody + 1, smallBody + 2, 50_000, 99_999, 100_000} {
			wantAnswer(t, k.say(send("/v2/open", asJSON, named(size))), 413, "without a root key a body has at most 16384 bytes")
			wantAnswer(t, k.say(send("/v2/open", guess, named(size))), 401, "who are you?")
			wantAnswer(t, k.say(send("/v2/greet", asJSON, named(size))), 401, "who are you?")
			wantAnswer(t, k.say(send("/v1/greet", known, named(size))), 413, "without a root key")
			_, body := parse(t, k.say(send("/v2/greet", known, named(size))))
			if want := `{"hello":"` + strings.Repeat("a", size-11) + `"}`; body != want {
				t.Errorf("%s, %d bytes: %.100s", name, size, body)
			}
		}
		wantAnswer(t, k.say(send("/v2/greet", known, named(100_001))), 413, "the request's body is too large")
	}
	if used := k.MemoryUsed(); used > 2*k.config.connShare() { // of connections that are being closed
		t.Errorf("%d bytes are in use, and nobody uses them", used)
	}
}

// The bound holds in a buffer that is larger than it, because another request used it.
func TestTheBoundOfABodyHoldsInALargerBuffer(t *testing.T) {
	k := serve(t, func(c *Config) { c.MaxBody = 2000 })
	for range 20 {
		c := calls.Get().(*Call)
		c.in = make([]byte, 0, smallBody)
		calls.Put(c)
		wantAnswer(t, k.say(inChunks("/v1/greet", "", named(2000), 500)), 200, "hello")
		wantAnswer(t, k.say(inChunks("/v1/greet", "", named(2001), 500)), 413, "the request's body is too large")
	}
}

// Whoever lacks what a large body takes is told before it was sent.
func TestALargeBodyIsRefusedBeforeItCame(t *testing.T) {
	k := serve(t, nil)
	start := strings.TrimSuffix(post("/v2/greet", guess, named(1<<20)), named(1<<20)) + strings.Repeat("x", prefetch)
	wantAnswer(t, k.say(start), 401, "who are you?")
	if k.MemoryUsed() > 2*k.config.connShare() {
		t.Errorf("%d bytes are in use", k.MemoryUsed())
	}
}

// What ends in the middle is never taken for a request.
func TestABodyThatEndsTooSoonIsRefused(t *testing.T) {
	k := serve(t, nil)
	whole := `{"name":"` + strings.Repeat("a", 3000) + `"}`
	for name, request := range map[string]string{
		"length":           strings.Replace(post("/v1/greet", "", whole), "Length: 3", "Length: 4", 1),
		"short length":     strings.Replace(post("/v1/greet", "", `{"name":"Ann"}`), "Length: 14", "Length: 15", 1),
		"no last chunk":    strings.TrimSuffix(inChunks("/v1/greet", "", whole, 1000), "0\n\n"),
		"no last line":     strings.TrimSuffix(inChunks("/v1/greet", "", whole, 1000), "\n\n"),
		"in the last line": strings.TrimSuffix(inChunks("/v1/greet", "", whole, 1000), "\n"),
		"one small chunk":  "POST /v1/greet HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\ne\n{\"name\":\"Ann\"}\n",
	} {
		c, err := net.Dial("tcp", k.addr)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(5 * time.Second))
		io.WriteString(c, strings.ReplaceAll(request, "\n", "\r\n"))
		c.(*net.TCPConn).CloseWrite()
		out, _ := io.ReadAll(c)
		c.Close()
		if r, _ := parse(t, string(out)); r.StatusCode != 400 || strings.Contains(string(out), "hello") {
			t.Errorf("%s: %.200q", name, out)
		}
	}
}

// A body that nobody read ends its connection: what it says is no request.
func TestABodyThatWasNotReadIsNoRequest(t *testing.T) {
	k := serve(t, nil)
	inside := "GET /v1/greet?name=smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, body := range []string{inside, strings.Repeat(inside, 300)} {
		for _, target := range []string{"GET /v1/greet?name=Ann", "GET /livez", "GET /nowhere", "DELETE /v1/greet", "POST /v1/greet", "POST /v2/open", "POST /v1/fail/panic", "OPTIONS /v1/greet"} {
			head := target + " HTTP/1.1\r\nHost: x\r\nAccess-Control-Request-Method: POST\r\n"
			chunked := fmt.Sprintf("%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", head, len(body), body)
			told := fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
			for _, request := range []string{chunked, told} {
				answer := k.sayRaw(request + "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				if n := strings.Count(answer, "HTTP/1.1 "); strings.Contains(answer, "smuggled") || n < 1 || n > 2 {
					t.Errorf("%s: %d answers: %.300q", target, n, answer)
				}
			}
		}
	}
}
