package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"tollgate/bench/conformance/stack"
	"tollgate/keys/redisdb/redistest"
)

const gateways = 3

// world is the stack every test here shares. Tests do not run in parallel: some count what is stored.
var world *stack.Stack

func TestMain(m *testing.M) {
	err := start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "These tests need a running gateway and could not start one:", err)
		os.Exit(1)
	}
	code := m.Run()
	if _, err := world.Search(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	if err := world.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	if store != nil {
		fmt.Printf("%s: %d requests, %d failovers\n", redistest.Kind(), failovers.requests.Load(), failovers.happened)
		store.Stop()
		_ = os.RemoveAll(world.Dir)
	}
	os.Exit(code)
}

func start() (err error) {
	o := stack.Options{Gateways: gateways, Password: rand.Text(), Env: []string{"TOLLGATE_LOG_LEVEL=debug", "TOLLGATE_REDIS_TIMEOUT=4s"}}
	if redistest.Kind() != "" {
		if o.Dir, err = os.MkdirTemp("", "e2e"); err != nil {
			return err
		}
		if store, err = redistest.Lasting(o.Dir, redistest.WithPassword(o.Password), redistest.WithAOF("no"), redistest.WithConfig("rdbcompression no")); err != nil {
			return err
		}
		o.Store = store
	}
	if world, err = stack.Start(o); err != nil {
		return err
	}
	if err = answers.open(); err != nil || store == nil {
		return err
	}
	return failovers.begin()
}

// patient is the HTTP client of these tests: enough idle connections for every concurrent caller.
// What they are answered is kept, to be searched.
var patient = &http.Client{Timeout: 20 * time.Second, Transport: &answers}

// answers keeps every answer that may not have the plaintext of a key, in a file beside the logs.
var answers = answerLog{through: &failovers}

// A gate is one gateway, spoken to with the root key.
type gate struct {
	t   testing.TB
	url string
}

// gate is the gateway with this number, counted from 0 and round again.
func gateAt(t testing.TB, i int) gate {
	return gate{t: t, url: world.Gateways[i%gateways].URL}
}

type object = map[string]any

// An answer is what a gateway said.
type answer struct {
	status int
	header http.Header
	raw    []byte
	body   object
	err    error
}

func (a answer) code() string { code, _ := a.body["code"].(string); return code }

func (a answer) String() string { return fmt.Sprintf("%d %s %v", a.status, a.raw, a.err) }

// call sends one request and never fails the test, so that it may be used from any goroutine.
func (g gate) call(method, path string, body any) (a answer) {
	var text []byte
	if body != nil {
		if text, a.err = json.Marshal(body); a.err != nil {
			return a
		}
	}
	req, err := http.NewRequest(method, g.url+"/v1/"+path, bytes.NewReader(text))
	if err != nil {
		return answer{err: err}
	}
	req.Header.Set("Authorization", "Bearer "+world.RootKey)
	req.Header.Set("Content-Type", "application/json")
	res, err := patient.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	a.status, a.header = res.StatusCode, res.Header
	if a.raw, a.err = io.ReadAll(res.Body); a.err == nil {
		a.err = json.Unmarshal(a.raw, &a.body)
	}
	return a
}

// must is call where anything but a success ends the test.
func (g gate) must(method, path string, body any) object {
	g.t.Helper()
	a := g.call(method, path, body)
	if a.err != nil || a.status != http.StatusOK {
		g.t.Fatalf("%s %s: %s", method, path, a)
	}
	return a.body
}

func (g gate) createAPI() string {
	g.t.Helper()
	return g.must("POST", "apis.createApi", object{"name": "e2e"})["apiId"].(string)
}

// createKey makes a key on an API of its own unless the draft names one.
func (g gate) createKey(draft object) (id, key string) {
	g.t.Helper()
	if draft["apiId"] == nil {
		draft["apiId"] = g.createAPI()
	}
	made := g.must("POST", "keys.createKey", draft)
	return made["keyId"].(string), made["key"].(string)
}

func (g gate) getKey(id string) object {
	g.t.Helper()
	return g.must("GET", "keys.getKey?keyId="+id, nil)
}

func (g gate) update(change object) {
	g.t.Helper()
	g.must("POST", "keys.updateKey", change)
}

// want verifies and checks the outcome.
func (g gate) want(code string, request object) object {
	g.t.Helper()
	a := g.call("POST", "keys.verifyKey", request)
	if a.err != nil || a.status != http.StatusOK || a.code() != code || a.body["valid"] != (code == "VALID") {
		g.t.Fatalf("want %s, got %s", code, a)
	}
	return a.body
}

// peek verifies without taking anything and returns what is left of the key's stored limit.
func (g gate) peek(key string) float64 {
	g.t.Helper()
	body := g.want("VALID", object{"key": key, "remaining": object{"cost": 0}, "ratelimits": []object{{"name": "default", "cost": 0}}})
	limit, ok := body["ratelimit"].(object)
	if !ok {
		g.t.Fatalf("no limit in %v", body)
	}
	return limit["remaining"].(float64)
}

// quietWindow is a limit's duration in ms whose current window neither began nor ends within a
// minute, so that no count slides while a test runs.
func quietWindow() int64 {
	const minute = int64(time.Minute / time.Millisecond)
	for _, d := range []int64{60 * minute, 50 * minute, 70 * minute, 45 * minute} {
		if at := time.Now().UnixMilli() % d; at > minute && at < d-minute {
			return d
		}
	}
	panic("all windows end in the same minute")
}

// inTheBackground are names that come and go by themselves: entries of the audit log, which a
// refused change has as well, usage counts, a little after what
// they count, and the lease of whoever sweeps after deleted APIs.
var inTheBackground = regexp.MustCompile(`^tg:(a|u|n|s):`)

// storedNames lists every name in Redis but those.
func storedNames(t testing.TB) map[string]bool {
	t.Helper()
	reply, err := world.Do("KEYS", "*")
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, name := range reply.([]any) {
		if text := name.(string); !inTheBackground.MatchString(text) {
			names[text] = true
		}
	}
	return names
}

// added lists what is in after and was not in before.
func added(before, after map[string]bool) (names []string) {
	for name := range after {
		if !before[name] {
			names = append(names, name)
		}
	}
	return names
}

// envelopeFault says what is wrong with an error answer of the v1 dialect; empty when nothing is.
func envelopeFault(status int, header http.Header, raw []byte) string {
	var body struct {
		Error struct{ Code, Docs, Message, RequestID string }
	}
	switch err := json.Unmarshal(raw, &body); {
	case status < 400 || status > 499:
		return "not a 4xx"
	case err != nil:
		return "not the JSON error envelope"
	case body.Error.Code == "" || body.Error.Message == "":
		return "no code or no message"
	case !strings.HasSuffix(body.Error.Docs, "/"+body.Error.Code):
		return "docs is not the address of the code"
	case !strings.HasPrefix(body.Error.RequestID, "req_") || header.Get("Unkey-Request-Id") != body.Error.RequestID:
		return "request id missing, or another one in the header"
	}
	return ""
}
