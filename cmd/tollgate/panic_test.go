package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"tollgate/cmd/tollgate/netbird"
	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/keystest/leaks"
)

// journal is a log in memory.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// A handler that panics with a key in its hands, here every one that takes a key or a root key,
// for want of a store, is answered 500 in its dialect's shape, and neither the answer nor the
// log, which has the stack, tells of the key.
func TestPanicsTellNoSecret(t *testing.T) {
	secret, root := "live_3ZQvT8cWm9XyKpLrNbHdGf", keys.NewAccessToken().Reveal()
	var canaries leaks.Canaries
	canaries.Add("the key", secret)
	canaries.Add("the root key", root)
	log := new(journal)
	url := serveLogged(t, brokenRouter(), log)
	for _, r := range brokenRouter().Routes() {
		if r.Public && r.Path != "/v1/keys.verifyKey" {
			continue
		}
		address := url + strings.NewReplacer("{apiId}", "api_x", "{keyId}", "key_x", "{groupId}", "g").Replace(r.Path)
		v := visits[r.Method+" "+r.Path]
		with := strings.NewReplacer("{secret}", secret, "{key}", secret, "{", "", "}", "").Replace(v.with)
		if r.Method == http.MethodGet {
			address += "?" + with
		}
		body := strings.NewReplacer("{secret}", secret, "{key}", secret).Replace(v.with)
		if strings.HasPrefix(r.Path, "/api/") {
			body = `{"key":"` + secret + `","peer":"` + secret + `","name":"n","type":"reusable","expires_in":86400}`
		}
		status, answer := send(t, r.Method, address, root, body)
		if found := canaries.Search("the answer", answer); found != nil {
			t.Errorf("%s %s: %v", r.Method, r.Path, found)
		}
		if status != 500 && status/100 != 4 {
			t.Errorf("%s %s without a store: %d %s", r.Method, r.Path, status, answer)
		}
	}
	if found := canaries.Search("the log", log.text.Bytes()); found != nil {
		t.Errorf("%v", found)
	}
	for _, want := range []string{"panic in a handler", "route=/v1/keys.verifyKey", "route=/v2/keys.verifyKey", "route=/api/setup-keys", "goroutine"} {
		if !strings.Contains(log.text.String(), want) {
			t.Errorf("the log does not have %q: nothing panicked there", want)
		}
	}
}

// brokenRouter is every dialect on a store that is not there.
func brokenRouter() *web.Router {
	router := serveUnkey(nil, nil)
	setup := netbird.New(nil, nil, netbird.Options{Log: slog.New(slog.DiscardHandler)})
	whole := web.NewRouter(router.Routes()[0].Dialect(), dialects(router, setup.Dialect())...)
	for _, r := range slices.Concat(router.Routes(), setup.Routes()) {
		d := r.Dialect()
		if d == nil {
			d = setup.Dialect()
		}
		whole.Add(d, r)
	}
	return whole
}

// dialects are those of the routes but the first one's, and others.
func dialects(router *web.Router, others ...*web.Dialect) []*web.Dialect {
	for _, r := range router.Routes() {
		if d := r.Dialect(); d != router.Routes()[0].Dialect() && !slices.Contains(others, d) {
			others = append(others, d)
		}
	}
	return others
}

func serveLogged(t *testing.T, router *web.Router, log io.Writer) string {
	t.Helper()
	server := web.New(web.Config{DrainDelay: 1, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}, router)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Shutdown(context.Background()) })
	return "http://" + listener.Addr().String()
}

func send(t *testing.T, method, address, root, body string) (int, []byte) {
	t.Helper()
	req := must(http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body)))
	scheme := "Bearer "
	if strings.Contains(address, "/api/") {
		scheme = "Token "
	}
	req.Header.Set("Authorization", scheme+root)
	req.Header.Set("Content-Type", "application/json")
	res := must(http.DefaultClient.Do(req))
	defer res.Body.Close()
	return res.StatusCode, must(io.ReadAll(res.Body))
}
