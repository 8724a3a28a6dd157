package web

import (
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
		{"much too large", post("/v2/greet", "", strings.Repeat("x", 3<<20)), 413, "two"},
		{"headers too large", post("/v1/greet", "A: "+strings.Repeat("x", 1000)+"\n", "{}"), 431, "plain"},
		{"not JSON by its own account", post("/v2/open", "Content-Type: text/plain\n", "{}"), 415, "two"},
		{"compressed", post("/v1/greet", "Content-Encoding: gzip\n", "{}"), 415, "one"},
		{"not HTTP", "HELO there\n\n", 400, "plain"},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantAnswer(t, k.say(test.request), test.status, `"dialect":"`+test.dialect+`"`)
		})
	}
}
