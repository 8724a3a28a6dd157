package faults

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tollgate/bench/conformance/stack"
	"tollgate/keys/redisdb/redistest/proc"
)

// program is the real program, a process, with a Redis of its own.
type program struct {
	tb      testing.TB
	stack   *stack.Stack
	url     string
	metrics string
	client  *http.Client
	api     string

	keeping sync.Mutex
	keepErr error
}

// built is the program's binary, made once.
var built = sync.OnceValues(func() (string, error) { return stack.Build(binDir, "./cmd/tollgate") })

func startProgram(tb testing.TB, args ...string) *program {
	tb.Helper()
	binary, err := built()
	if err != nil {
		tb.Fatal(err)
	}
	p := &program{tb: tb, metrics: freeAddr(tb), client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 4096}}}
	p.stack, err = stack.Start(stack.Options{Binary: binary, Dir: filepath.Join(tb.TempDir(), "stack"), Args: append([]string{"--metrics-addr", p.metrics}, args...)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.close)
	p.url = p.stack.Gateways[0].URL
	p.api = p.must("POST", "apis.createApi", object{"name": "faults"})["apiId"].(string)
	return p
}

// close ends the program, and looks for keys in all that it and its Redis have written, and in what
// it answered to who was refused.
func (p *program) close() {
	p.client.CloseIdleConnections()
	_ = p.stack.Redis.Signal(syscall.SIGCONT) // a test may have failed while it was frozen
	report, err := p.stack.Search()
	if err = errors.Join(err, p.stack.Stop(), p.keepErr); err != nil {
		p.tb.Error(err)
	}
	row(p.tb, "leak scan", "%s", report)
}

// keep has a text searched in the end.
func (p *program) keep(text []byte) {
	p.keeping.Lock()
	defer p.keeping.Unlock()
	file, err := os.OpenFile(filepath.Join(p.stack.Dir, "answers.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = file.Write(append(text, '\n'))
		err = errors.Join(err, file.Close())
	}
	p.keepErr = errors.Join(p.keepErr, err)
}

func freeAddr(tb testing.TB) string {
	addr, err := proc.FreeAddr()
	if err != nil {
		tb.Fatal(err)
	}
	return addr
}

type object = map[string]any

// answered is what the program said to a request, and how long that took.
type answered struct {
	status int
	body   object
	header http.Header
	raw    string
	took   time.Duration
	err    error
}

// call sends one request with the root key.
func (p *program) call(method, path string, body any) (a answered) {
	return p.callAs(p.stack.RootKey, method, path, body)
}

func (p *program) callAs(rootKey, method, path string, body any) (a answered) {
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body)
	}
	req, err := http.NewRequest(method, p.url+"/v1/"+path, bytes.NewReader(text))
	if err != nil {
		return answered{err: err}
	}
	req.Header.Set("Authorization", "Bearer "+rootKey)
	req.Header.Set("Content-Type", "application/json")
	begun := time.Now()
	res, err := p.client.Do(req)
	if err != nil {
		return answered{err: err, took: time.Since(begun)}
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	a = answered{status: res.StatusCode, header: res.Header, raw: string(raw), took: time.Since(begun), err: err}
	if a.status != http.StatusOK {
		p.keep(fmt.Append(nil, a.header, " ", a.raw))
	}
	if err == nil {
		a.err = json.Unmarshal(raw, &a.body)
	}
	return a
}

func (p *program) must(method, path string, body any) object {
	p.tb.Helper()
	a := p.call(method, path, body)
	if a.err != nil || a.status != http.StatusOK {
		p.tb.Fatalf("%s %s: %d %s %v", method, path, a.status, a.raw, a.err)
	}
	return a.body
}

func (p *program) createKey(draft object) (id, key string) {
	p.tb.Helper()
	draft["apiId"] = p.api
	made := p.must("POST", "keys.createKey", draft)
	return made["keyId"].(string), made["key"].(string)
}

// refusal says what is wrong with an answer that should be v1's 503; "" where nothing is.
func (a answered) refusal() string {
	failure, _ := a.body["error"].(object)
	switch {
	case a.err != nil:
		return a.err.Error()
	case a.status != http.StatusServiceUnavailable:
		return fmt.Sprintf("status %d", a.status)
	case failure["code"] != "SERVICE_UNAVAILABLE" || failure["requestId"] == "" || failure["message"] == "":
		return "not v1's shape: " + a.raw
	case a.header.Get("Retry-After") == "":
		return "no Retry-After"
	}
	return ""
}

// metricsText is all that the program counts.
func (p *program) metricsText() string {
	p.tb.Helper()
	res, err := http.Get("http://" + p.metrics + "/metrics")
	if err != nil {
		p.tb.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.tb.Fatal(err)
	}
	p.keep(text)
	return string(text)
}

// metric reads one number that the program counts.
func (p *program) metric(name string) float64 {
	p.tb.Helper()
	for line := range strings.Lines(p.metricsText()) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				p.tb.Fatal(err)
			}
			return n
		}
	}
	p.tb.Fatalf("no metric %s", name)
	return 0
}
