package web

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestAnEndpointDecodesCallsAndAnswers(t *testing.T) {
	k := serve(t, nil)
	wantAnswer(t, k.say(post("/v1/greet", "", `{"name":"<Ann>"}`)), 200, `{"hello":"<Ann>"}`)
	wantAnswer(t, k.say("GET /v1/greet?name=Ann%20B HTTP/1.1\nHost: x\nConnection: close\n\n"), 200, `{"hello":"Ann B"}`)
	wantAnswer(t, k.say("GET /v1/greet/a%2Fb HTTP/1.1\nHost: x\nConnection: close\n\n"), 200, `{"hello":"a/b"}`)
	wantAnswer(t, k.say(post("/v1/greet", "", `{"name":""}`)), 400, `name: must be at least 1 character long`)
	wantAnswer(t, k.say(post("/v1/greet", "", ``)), 400, `the body is empty`)
}

func TestEveryFaultIsInTheShapeOfTheDialectThatOwnsThePath(t *testing.T) {
	k := serve(t, func(c *Config) { c.MaxBody = 100; c.MaxHeader = 1000 })
	get := func(path string) string { return "GET " + path + " HTTP/1.1\nHost: x\nConnection: close\n\n" }
	for _, test := range []struct {
		name, request string
		status        int
		dialect       string
	}{
		{"no route, v1", get("/v1/nothing"), 404, "one"},
		{"no route, v2", get("/v2/nothing"), 404, "two"},
		{"no route anywhere", get("/nothing"), 404, "plain"},
		{"trailing slash", get("/v1/greet/"), 404, "one"},
		{"wrong case", get("/V1/GREET"), 404, "plain"},
		{"wrong verb", get("/v2/greet"), 405, "two"},
		{"body too large", post("/v1/greet", "", strings.Repeat("x", 101)), 413, "one"},
		{"chunks too large", "POST /v1/greet HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n65\n" + strings.Repeat("x", 101) + "\n0\n\n", 413, "one"},
		{"too large, asked first", post("/v1/greet", "Expect: 100-continue\n", strings.Repeat("x", 101)), 413, "one"},
		{"much too large", post("/v2/greet", "", strings.Repeat("x", 3<<20)), 413, "two"},
		{"headers too large", post("/v1/greet", "A: "+strings.Repeat("x", 1000)+"\n", "{}"), 431, "one"},
		{"not JSON by its own account", post("/v2/open", "Content-Type: text/plain\n", "{}"), 415, "two"},
		{"compressed", post("/v1/greet", "Content-Encoding: gzip\n", "{}"), 415, "one"},
		{"not HTTP", "HELO there\n\n", 400, "plain"},
		{"not a version", "GET /v2/greet HTTP/9\n\n", 400, "two"},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantAnswer(t, k.say(test.request), test.status, `"dialect":"`+test.dialect+`"`)
		})
	}
}

func TestAllowNamesTheOtherVerbs(t *testing.T) {
	k := serve(t, nil)
	r := wantAnswer(t, k.say("GET /v2/greet HTTP/1.1\nHost: x\nConnection: close\n\n"), 405, "this path takes POST")
	if got := r.Header.Get("Allow"); got != "POST" {
		t.Error(got)
	}
	r = wantAnswer(t, k.say("PUT /v1/greet HTTP/1.1\nHost: x\nConnection: close\nContent-Length: 0\n\n"), 405, "")
	if got := r.Header.Get("Allow"); got != "GET, HEAD, OPTIONS, POST" {
		t.Error(got)
	}
}

// HEAD of what GET answers has the status and the headers of GET and no body, and the
// next request on the connection is answered. Elsewhere it is another method.
func TestHeadIsGetWithoutTheBody(t *testing.T) {
	k := serve(t, nil)
	for _, path := range []string{"/livez", "/readyz", "/v1/greet?name=Ann", "/v1/greet?name=", "/v1/greet/Bob", "/v1/greet?name=Ann&pretty", "/v1/none", "/v2/greet"} {
		next := "GET /v1/greet/next HTTP/1.1\nHost: x\nConnection: close\n\n"
		get := answersOf(t, k.say("GET "+path+" HTTP/1.1\nHost: x\n\n"+next), "GET", "GET")
		head := answersOf(t, k.say("HEAD "+path+" HTTP/1.1\nHost: x\n\n"+next), "HEAD", "GET")
		if head[0].status != get[0].status || head[0].length != get[0].length || head[0].kind != get[0].kind || head[0].body != "" {
			t.Errorf("%s: HEAD %+v, GET %+v", path, head[0], get[0])
		}
		if head[1].body != `{"hello":"next"}` {
			t.Errorf("%s: what follows HEAD is answered %+v", path, head[1])
		}
	}
	if got := answersOf(t, k.say("HEAD /v2/greet HTTP/1.1\nHost: x\nConnection: close\n\n"), "HEAD")[0]; got.status != 405 {
		t.Errorf("%+v", got)
	}
	if got := answersOf(t, k.say("HEAD /v1/greet/Bob HTTP/1.1\nHost: x\nContent-Length: 9999999\n\n"+strings.Repeat("x", 2<<20)), "HEAD")[0]; got.status != 413 {
		t.Errorf("%+v", got)
	}
	if got := k.say("HEAD /v1/greet/Bob HTTP/1.1\nHost: x\nContent-Length: 9999999\n\n" + strings.Repeat("x", 2<<20)); !strings.HasSuffix(got, "\r\n\r\n") {
		t.Errorf("%q", got)
	}
}

// headAnswer is what is compared of an answer.
type headAnswer struct {
	status, length int
	kind, body     string
}

// answersOf reads the answers to requests of these methods.
func answersOf(t *testing.T, text string, methods ...string) (all []headAnswer) {
	t.Helper()
	in := bufio.NewReader(strings.NewReader(text))
	for _, method := range methods {
		r, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%v: %q", err, text)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatalf("%v: %q", err, text)
		}
		all = append(all, headAnswer{r.StatusCode, int(r.ContentLength), r.Header.Get("Content-Type"), string(body)})
	}
	return all
}

func TestAuthoriseRunsAfterDecodingAndNotOnPublicRoutes(t *testing.T) {
	k := serve(t, nil)
	js := "Content-Type: application/json; charset=utf-8\n"
	wantAnswer(t, k.say(post("/v2/greet", js, `{"name":"Ann"}`)), 401, "who are you?")
	wantAnswer(t, k.say(post("/v2/greet", js, `{`)), 400, "")
	wantAnswer(t, k.say(post("/v2/greet", js+"Authorization: Bearer sesame\n", `{"name":"Ann"}`)), 200, "Ann")
	wantAnswer(t, k.say(post("/v2/open", js, `{"name":"Ann"}`)), 200, "Ann")
}

func TestFailuresAreSortedAndTheirCausesStayInTheLog(t *testing.T) {
	k := serve(t, nil)
	fail := func(how string) string { return k.say(post("/v1/fail/"+how, "", "")) }
	wantAnswer(t, fail("missing"), 404, "no such api")
	if r := wantAnswer(t, fail("store"), 503, "the store did not answer in time"); r.Header.Get("Retry-After") != "1" {
		t.Error("no Retry-After")
	}
	for _, how := range []string{"unknown", "panic", "nil"} {
		wantAnswer(t, fail(how), 500, `"message":"internal error"`)
	}
	if r, body := parse(t, fail("twice")); r.StatusCode != 500 || body != "" {
		t.Errorf("a dialect that panics: %d %s", r.StatusCode, body)
	}
	log := k.log.String()
	for _, want := range []string{"dial tcp: refused", "a detail for the log", "a panic of type string", "nil pointer dereference", "failSomehow"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q", want)
		}
	}
	if strings.Contains(log, "sk_secret") {
		t.Error("the log quotes the panic")
	}
	wantAnswer(t, k.say(post("/v1/greet", "", `{"name":"Ann"}`)), 200, "Ann")
}

// TestTheLogHoldsNoSecret sends one in every place that could be quoted, most
// of them in requests that fasthttp itself complains about.
func TestTheLogHoldsNoSecret(t *testing.T) {
	k := serve(t, func(c *Config) { c.MaxHeader = 2000 })
	secret := "sk_live_0123"
	for _, request := range []string{
		post("/v1/greet?key="+secret, "Authorization: Bearer "+secret+"\n", `{"name":"`+secret+`"}`),
		post("/v1/"+secret, "", ""),
		post("/v1/greet", "", `{"`+secret),
		"GET /v1/greet HTTP/1.1\nHost: x\nAuthorization: Bearer " + secret + "\x00\n\n",
		"GET /v1/greet HTTP/1.1\nHost: x\nAuthorization " + secret + "\n\n",
		"GET /v1/greet HTTP/1.1\nHost: x\n" + secret + "\n\n",
		"GET /v1/greet HTTP/9.9 " + secret + "\nHost: x\n\n",
		secret + " /v1/greet HTTP/1.1\nHost: x\nConnection: close\n\n",
		"GET /v1/greet HTTP/1.1\nHost: x\nA: " + strings.Repeat(secret, 1000) + "\n\n",
		"POST /v1/greet HTTP/1.1\nHost: x\nTransfer-Encoding: " + secret + "\n\n",
		"POST /v1/greet HTTP/1.1\nHost: x\nContent-Length: " + secret + "\n\n",
		"POST /v1/greet HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n" + secret + "\n",
		"GET http://x:" + secret + "/%zz HTTP/1.1\nHost: x\n\n",
	} {
		k.say(request)
	}
	log := k.log.String()
	if strings.Contains(log, secret) || !strings.Contains(log, "connection trouble") {
		t.Errorf("%s", log)
	}
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	k := serve(t, nil)
	var in strings.Builder
	for _, name := range []string{"a", "b", "c"} {
		in.WriteString(strings.Replace(post("/v1/greet", "", `{"name":"`+name+`"}`), "Connection: close\n", "", 1))
	}
	in.WriteString(post("/v1/greet", "", `{"name":"d"}`))
	var got []string
	for _, part := range strings.Split(k.say(in.String()), `{"hello":"`)[1:] {
		got = append(got, part[:1])
	}
	if strings.Join(got, "") != "abcd" {
		t.Error(got)
	}
}

func TestEveryAnswerNamesItsRequest(t *testing.T) {
	k := serve(t, nil)
	seen := map[string]bool{}
	for _, request := range []string{
		post("/v1/greet", "", `{"name":"Ann"}`), post("/v1/greet", "", ``), post("/v1/none", "", ``),
		post("/v1/fail/panic", "", ``), post("/v1/greet", "Content-Encoding: gzip\n", ``),
	} {
		r, _ := parse(t, k.say(request))
		id := r.Header.Get("Test-Request-Id")
		if id == "" || seen[id] || !strings.Contains(k.log.String(), id) {
			t.Errorf("%q", id)
		}
		seen[id] = true
		if r.Header.Get("Server") != "" {
			t.Error("the answer says what serves it")
		}
	}
}

func TestCORS(t *testing.T) {
	k := serve(t, nil)
	ask := "Connection: close\nOrigin: https://app\nAccess-Control-Request-Method: POST\nAccess-Control-Request-Headers: authorization,x-a\n"
	r, body := parse(t, k.say("OPTIONS /v1/greet HTTP/1.1\nHost: x\n"+ask+"\n"))
	if r.StatusCode != 204 || body != "" || r.Header.Get("Access-Control-Allow-Origin") != "*" ||
		r.Header.Get("Access-Control-Allow-Headers") != "authorization,x-a" ||
		!strings.Contains(r.Header.Get("Access-Control-Allow-Methods"), "POST") {
		t.Errorf("%d %q %v", r.StatusCode, body, r.Header)
	}
	r = wantAnswer(t, k.say(post("/v1/none", "Origin: https://app\n", "")), 404, "")
	if r.Header.Get("Access-Control-Allow-Origin") != "*" || r.Header.Get("Access-Control-Expose-Headers") != "Test-Request-Id" {
		t.Error(r.Header)
	}
	r = wantAnswer(t, k.say("OPTIONS /v2/greet HTTP/1.1\nHost: x\n"+ask+"\n"), 405, `"dialect":"two"`)
	if r.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("a dialect without CORS allows an origin")
	}
}

func TestPretty(t *testing.T) {
	k := serve(t, nil)
	wantAnswer(t, k.say(post("/v1/greet?pretty", "", `{"name":"Ann"}`)), 200, "{\n  \"hello\": \"Ann\"\n}")
	wantAnswer(t, k.say(post("/v2/open?pretty", "Content-Type: application/json\n", `{"name":"Ann"}`)), 200, `{"hello":"Ann"}`)
}

func TestRoutesAreATable(t *testing.T) {
	r := testRouter()
	want := `
one  GET   /v1/greet         greetQuery  -
one  POST  /v1/greet         greet       -
one  GET   /v1/greet/{name}  greetPath   -
one  POST  /v1/fail/{how}    fail        -
two  POST  /v2/greet         greet2      greet.*
two  POST  /v2/open          open        public
`
	lines := func(s string) map[string]bool {
		out := map[string]bool{}
		for line := range strings.Lines(strings.TrimSpace(s)) {
			out[strings.Join(strings.Fields(line), " ")] = true
		}
		return out
	}
	got := lines(r.String())
	for line := range lines(want) {
		if !got[line] {
			t.Errorf("the table lacks %q:\n%s", line, r)
		}
	}
	for _, row := range r.Routes() {
		if row.Request == nil && row.Method == "POST" && row.Name != "fail" || row.Response["type"] != "object" {
			t.Errorf("%s does not describe itself", row.Name)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a dialect took another's path")
		}
	}()
	r.Add(r.dialects[1], Route{Method: "GET", Path: "/v2/x", Endpoint: Plain(greetPath)})
}

func TestHealth(t *testing.T) {
	k := serve(t, func(c *Config) { c.Ready = func(context.Context) error { return errors.New("redis: gone") } })
	wantAnswer(t, k.say("GET /livez HTTP/1.1\nHost: x\nConnection: close\n\n"), 200, `{"status":"ok"}`)
	wantAnswer(t, k.say("GET /readyz HTTP/1.1\nHost: x\nConnection: close\n\n"), 503, "not ready")
}
