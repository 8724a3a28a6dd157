package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A wire is one connection to a gateway, used for one request after the other as a careful client
// would: until the gateway says or does otherwise.
type wire struct {
	t     *testing.T
	addr  string
	conn  net.Conn
	in    *bufio.Reader
	gives bool // the latest request is answered with a key
}

var errNoAnswer = errors.New("the connection ended without an answer")

func newWire(t *testing.T) *wire {
	w := &wire{t: t, addr: world.Gateways[0].Addr}
	t.Cleanup(w.hangUp)
	return w
}

func (w *wire) hangUp() {
	if w.conn != nil {
		w.conn.Close()
	}
	w.conn = nil
}

func (w *wire) dial() {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.conn, w.in = conn, bufio.NewReader(conn)
}

// send writes a request as it stands and reads one answer.
func (w *wire) send(request string) answer {
	w.t.Helper()
	if w.conn == nil {
		w.dial()
	}
	w.gives = strings.Contains(request, "/keys.createKey ")
	w.conn.SetDeadline(time.Now().Add(15 * time.Second))
	// A gateway may refuse a large body before it has read it, so a failed write is not the end.
	written := make(chan struct{})
	go func(conn net.Conn) { defer close(written); io.WriteString(conn, request) }(w.conn)
	a := w.receive()
	if a.err != nil {
		w.hangUp()
	}
	<-written
	return a
}

func (w *wire) receive() (a answer) {
	res, err := http.ReadResponse(w.in, nil)
	if err != nil {
		return answer{err: fmt.Errorf("%w: %w", errNoAnswer, err)}
	}
	a.status, a.header = res.StatusCode, res.Header
	a.raw, a.err = io.ReadAll(res.Body)
	if !w.gives || a.status != http.StatusOK {
		answers.keep(a.status, a.header, a.raw)
	}
	if a.err == nil && res.Close {
		a.err = w.conn.Close()
		w.conn = nil
	}
	return a
}

// wireRequest spells a request with the root key.
func wireRequest(method, target, body string, headers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: tollgate\r\nAuthorization: Bearer %s\r\n", method, target, world.RootKey)
	for _, header := range headers {
		b.WriteString(header + "\r\n")
	}
	if body != "" || method == "POST" {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	return b.String()
}

func gzipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, text)
	z.Close()
	return b.String()
}

// TestAMalformedRequestIsAnsweredOnce: a request that two parsers could read differently is
// refused with one answer, and what was hidden behind it is never run.
func TestAMalformedRequestIsAnsweredOnce(t *testing.T) {
	g := gateAt(t, 0)
	id, key := g.createKey(object{"remaining": 1000})
	body := `{"key":"` + key + `"}`
	spend := wireRequest("POST", "/v1/keys.verifyKey", body)
	head := "POST /v1/keys.verifyKey HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(body))
	for name, request := range map[string]string{
		"length and chunked":             head + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + spend,
		"chunked and length":             head + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + spend,
		"two lengths":                    head + length + "Content-Length: 1\r\n\r\n" + body,
		"two root keys":                  wireRequest("GET", "/v1/keys.getKey?keyId="+id, "", "Authorization: Bearer another"),
		"space before the colon":         head + "Content-Length : 0\r\n" + length + "\r\n" + body,
		"a folded header":                head + "X-Folded: a\r\n b\r\n" + length + "\r\n" + body,
		"a header without a colon":       head + "nonsense\r\n" + length + "\r\n" + body,
		"a negative length":              head + "Content-Length: -1\r\n\r\n" + body,
		"a length with a sign":           head + fmt.Sprintf("Content-Length: +%d\r\n", len(body)) + "\r\n" + body,
		"a length that is no number":     head + "Content-Length: 0x10\r\n\r\n" + body,
		"an encoding nobody knows":       head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"a chunk size that is no number": head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + body + "\r\n0\r\n\r\n",
		"compressed":                     wireRequest("POST", "/v1/keys.verifyKey", gzipped(body), "Content-Encoding: gzip"),
		"headers of 1 MiB":               head + "X-Long: " + strings.Repeat("x", 1<<20) + "\r\n" + length + "\r\n" + body,
		"a target of 1 MiB":              wireRequest("GET", "/v1/keys.getKey?keyId="+strings.Repeat("k", 1<<20), ""),
		"not HTTP":                       "nonsense\r\n\r\n",
		"TLS":                            "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t)
			a := w.send(request)
			if a.err == nil || !errors.Is(a.err, errNoAnswer) {
				if fault := envelopeFault(a.status, a.header, a.raw); fault != "" {
					t.Errorf("%s: %d %.200q", fault, a.status, a.raw)
				}
			}
			if w.conn == nil {
				return
			}
			w.conn.SetDeadline(time.Now().Add(300 * time.Millisecond))
			if more := w.receive(); more.status == http.StatusOK {
				t.Errorf("a second answer came out of one request: %s", more)
			}
		})
	}
	if left := g.getKey(id)["remaining"]; left != 1000.0 {
		t.Errorf("malformed requests spent %v credits", 1000-left.(float64))
	}
}

// TestPipelinedRequestsAreAnsweredInOrder, a refused one among them.
func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	_, key := gateAt(t, 0).createKey(object{"remaining": 1000})
	good := wireRequest("POST", "/v1/keys.verifyKey", `{"key":"`+key+`"}`)
	bad := wireRequest("POST", "/v1/keys.verifyKey", `{"key":7}`)
	w := newWire(t)
	first := w.send(good + bad + good + good)
	statuses := []int{first.status, 0, 0, 0}
	for i := range statuses[1:] {
		a := w.receive()
		if a.err != nil {
			t.Fatal(a.err)
		}
		statuses[i+1] = a.status
	}
	if fmt.Sprint(statuses) != "[200 400 200 200]" {
		t.Errorf("got %v", statuses)
	}
}

// TestTheWrongMethodAndTheWrongPath have the dialect's shape too.
func TestTheWrongMethodAndTheWrongPath(t *testing.T) {
	w := newWire(t)
	for _, test := range []struct {
		method, target string
		status         int
		code           string
	}{
		{"GET", "/v1/keys.verifyKey", 405, "METHOD_NOT_ALLOWED"},
		{"DELETE", "/v1/keys.createKey", 405, "METHOD_NOT_ALLOWED"},
		{"POST", "/v1/keys.getKey", 405, "METHOD_NOT_ALLOWED"},
		{"GET", "/v1/keys.nobodyServesThis", 404, "NOT_FOUND"},
		{"GET", "/v1/keys.getKey/", 404, "NOT_FOUND"},
		{"GET", "/v1//keys.getKey", 404, "NOT_FOUND"},
		{"GET", "/v1/../v1/keys.nobody", 404, "NOT_FOUND"},
		{"GET", "/v1/KEYS.GETKEY", 404, "NOT_FOUND"},
	} {
		a := w.send(wireRequest(test.method, test.target, ""))
		if fault := envelopeFault(a.status, a.header, a.raw); fault != "" || a.status != test.status || !bytes.Contains(a.raw, []byte(`"`+test.code+`"`)) {
			t.Errorf("%s %s: want %d %s, got %s (%s)", test.method, test.target, test.status, test.code, a, fault)
		}
	}
}

// TestAHalfClosedConnectionIsStillAnswered: the client has said all it wants to say.
func TestAHalfClosedConnectionIsStillAnswered(t *testing.T) {
	_, key := gateAt(t, 0).createKey(object{})
	w := newWire(t)
	w.dial()
	io.WriteString(w.conn, wireRequest("POST", "/v1/keys.verifyKey", `{"key":"`+key+`"}`))
	w.conn.(*net.TCPConn).CloseWrite()
	w.conn.SetDeadline(time.Now().Add(5 * time.Second))
	if a := w.receive(); a.status != 200 {
		t.Errorf("got %s", a)
	}
}

// TestSlowAndIdleConnectionsDoNotHurtOthers: a thousand that say nothing and some that never
// finish their request, while a verification takes its usual time.
func TestSlowAndIdleConnectionsDoNotHurtOthers(t *testing.T) {
	g := gateAt(t, 0)
	_, key := g.createKey(object{})
	g.want(valid, object{"key": key})
	for i := range 1000 {
		conn, err := net.Dial("tcp", world.Gateways[0].Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		switch i % 4 {
		case 1:
			io.WriteString(conn, "POST /v1/keys.verifyKey HTTP/1.1\r\nHo")
		case 2:
			io.WriteString(conn, "POST /v1/keys.verifyKey HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
		}
	}
	for range 50 {
		begun := time.Now()
		g.want(valid, object{"key": key})
		if took := time.Since(begun); took > time.Second {
			t.Fatalf("a verification took %s beside idle connections", took)
		}
	}
}
