package web

import (
	"log/slog"
	"net"
	"net/http"
	"testing"
)

// Scripts of the named origins may ask, others may not: their preflight is no preflight, and
// their answers name no origin. An answer that depends on the origin says so.
func TestOrigins(t *testing.T) {
	for _, c := range []struct {
		allowed []string
		origin  string
		may     bool
	}{
		{nil, "https://a.example", false},
		{[]string{"https://a.example"}, "https://a.example", true},
		{[]string{"https://a.example"}, "https://b.example", false},
		{[]string{"https://a.example"}, "https://a.example.evil", false},
		{[]string{"https://a.example"}, "null", false},
		{[]string{"https://a.example"}, "", false},
		{[]string{"https://b.example", "https://a.example:8443"}, "https://a.example:8443", true},
		{[]string{"*"}, "https://any.example", true},
	} {
		d := &Dialect{Name: "one", Prefixes: []string{"/"}, NewRequestID: func() string { return "id" }, Fail: failure("one"), RequestIDHeader: "Test-Id", Origins: c.allowed}
		router := NewRouter(d)
		router.Add(d, Route{Method: http.MethodPost, Path: "/a", Name: "a", Public: true, Endpoint: Plain(func(*Call) (status, error) { return status{"ok"}, nil })})
		server := New(Config{DrainDelay: 1, Log: slog.New(slog.DiscardHandler)}, router)
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = server.Serve(ln) }()
		t.Cleanup(func() { _ = server.Shutdown(t.Context()) })
		url := "http://" + ln.Addr().String()
		for _, method := range []string{http.MethodOptions, http.MethodPost} {
			req, _ := http.NewRequestWithContext(t.Context(), method, url+"/a", nil)
			if c.origin != "" {
				req.Header.Set("Origin", c.origin)
			}
			if method == http.MethodOptions {
				req.Header.Set("Access-Control-Request-Method", "POST")
				req.Header.Set("Access-Control-Request-Headers", "authorization")
			}
			res, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			want := ""
			if c.may {
				want = c.origin
			}
			if got := res.Header.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("%s of %q with %v: origin %q", method, c.origin, c.allowed, got)
			}
			if preflight := res.StatusCode == http.StatusNoContent; preflight != (c.may && method == http.MethodOptions) {
				t.Errorf("%s of %q with %v: %s", method, c.origin, c.allowed, res.Status)
			}
			varies := false
			for _, value := range res.Header.Values("Vary") {
				varies = varies || value == "Origin"
			}
			if varies != (len(c.allowed) > 0) {
				t.Errorf("%s of %q with %v: Vary %v", method, c.origin, c.allowed, res.Header.Values("Vary"))
			}
			if c.may && method == http.MethodPost && res.Header.Get("Access-Control-Expose-Headers") == "" {
				t.Errorf("nothing may be read: %v", res.Header)
			}
		}
	}
}
