package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/verify"
)

// Credentials that Redis refuses, and a replica, end the program at once with status 2:
// waiting helps neither.
func TestServeRefusesCredentials(t *testing.T) {
	locked := redistest.Start(t, redistest.WithPassword("right"), redistest.WithConfig("user few on >secret ~* &* +@all -evalsha"))
	replica := redistest.Start(t)
	replica.Do("REPLICAOF", "127.0.0.1", "1")
	for name, url := range map[string]string{
		"wrong password": strings.Replace(locked.URL(), "right", "wrong", 1),
		"no password":    "redis://" + locked.Addr(),
		"a right less":   "redis://few:secret@" + locked.Addr(),
		"a replica":      replica.URL(),
	} {
		ended := make(chan int, 1)
		go func() { ended <- run([]string{"serve", "--redis", url, "--addr", freeAddr(t)}) }()
		select {
		case status := <-ended:
			if status != 2 {
				t.Errorf("%s: status %d", name, status)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: it goes on", name)
		}
	}
}

// While Redis takes no writes the gateway is not ready; while it is full it is ready and
// says that it is degraded.
func TestReadyzTellsWhatCanBeWritten(t *testing.T) {
	server := redistest.Start(t)
	store := store.Open(server.Client(), store.Options{})
	if err := store.Mark(t.Context()); err != nil {
		t.Fatal(err)
	}
	g := &gateway{store: store}
	g.opened.Store(true)
	served := web.New(web.Config{Ready: g.ready, DrainDelay: time.Nanosecond, Log: slog.New(slog.DiscardHandler)}, serveUnkey(store, verify.New(store, verify.Options{})))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = served.Serve(listener) }()
	defer func() { _ = served.Shutdown(t.Context()) }()
	want := func(what, text string) {
		t.Helper()
		res, err := http.Get("http://" + listener.Addr().String() + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		if got := read(res); !strings.HasPrefix(got, text) {
			t.Errorf("%s: %s, want %s", what, got, text)
		}
	}
	want("well", `200 {"status":"ok"}`)
	server.Do("CONFIG", "SET", "maxmemory", "1")
	want("full", `200 {"status":"degraded"}`)
	server.Do("CONFIG", "SET", "maxmemory", "0")
	server.Do("CONFIG", "SET", "min-replicas-to-write", "1")
	want("without its replicas", "503 ")
	server.Do("CONFIG", "SET", "min-replicas-to-write", "0")
	server.Do("REPLICAOF", "127.0.0.1", "1")
	want("a replica", "503 ")
	server.Do("REPLICAOF", "NO", "ONE")
	want("well again", `200 {"status":"ok"}`)
	server.Do("FLUSHALL")
	want("lost", "503 ")
}

// Strangers are told in what way the store failed: neither where it is, nor what it said, nor
// what the gateway is made of. The operator is told at --metrics-addr.
func TestStrangersLearnNothing(t *testing.T) {
	addr := freeAddr(t) // nobody listens there
	_, port, _ := net.SplitHostPort(addr)
	client := must(redisdb.Dial("redis://user:hunter2@"+addr, redisdb.Options{}))
	defer client.Close()
	store := store.Open(client, store.Options{})
	g := &gateway{store: store}
	g.opened.Store(true)
	served := web.New(web.Config{Ready: g.ready, DrainDelay: time.Nanosecond, Log: slog.New(slog.DiscardHandler)}, serveAll(store, verify.New(store, verify.Options{})))
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	go func() { _ = served.Serve(listener) }()
	defer func() { _ = served.Shutdown(t.Context()) }()
	told := regexp.MustCompile(`(?i)hunter2|dial|connection refused|redis:/|go-redis|fasthttp|golang|\d+\.\d+\.\d+|:` + port)
	unavailable := 0
	for _, route := range append(serveAll(nil, nil).Routes(), web.Route{Method: http.MethodGet, Path: "/readyz"}, web.Route{Method: http.MethodGet, Path: "/nothing"}) {
		method := route.Method
		if method == web.AnyMethod {
			method = http.MethodGet
		}
		req := must(http.NewRequest(method, "http://"+listener.Addr().String()+strings.NewReplacer("{", "", "}", "", ":*", "").Replace(route.Path), strings.NewReader("{}")))
		req.Header.Set("Authorization", "Bearer nobody_has_this_root_key")
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body := read(res)
		if res.StatusCode == http.StatusServiceUnavailable {
			unavailable++
		}
		if res.StatusCode < 400 { // a page of liveness, which upstream's clients know
			continue
		}
		res.Header.Del("Date")
		if said := fmt.Sprint(body, res.Header); told.MatchString(strings.ReplaceAll(said, listener.Addr().String(), "")) {
			t.Errorf("%s %s: %s", method, route.Path, said)
		}
	}
	if unavailable < 20 {
		t.Errorf("only %d answers are of a store that fails", unavailable)
	}
	detail := httptest.NewRecorder()
	g.readyDetail(detail, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if text := detail.Body.String(); detail.Code != http.StatusServiceUnavailable || !strings.Contains(text, addr) || !strings.Contains(text, `"store":"gone"`) {
		t.Errorf("the operator is told %d %s", detail.Code, text)
	}
}
