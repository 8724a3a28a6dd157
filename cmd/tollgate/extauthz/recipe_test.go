package extauthz_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/cmd/tollgate/extauthz"
	"tollgate/cmd/tollgate/forwardauth"
	"tollgate/cmd/tollgate/policies"
	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/ratelimit"
	"tollgate/verify"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// The configurations are what Envoy's schema allows, to the last message in them, and fail
// closed.
func TestRecipesAreValid(t *testing.T) {
	for _, name := range []string{"envoy-grpc.yaml", "envoy-http.yaml"} {
		seen := validate(t, name, readBootstrap(t, name))
		if seen < 6 {
			t.Errorf("%s: only %d messages were looked into", name, seen)
		}
		text, err := os.ReadFile(filepath.Join(recipes, name))
		if err != nil || !bytes.Contains(text, []byte("failure_mode_allow: false")) || bytes.Contains(text, []byte("retry_policy")) {
			t.Errorf("%s lets requests through, or asks twice: %v", name, err)
		}
	}
}

// validate validates a message and everything that is packed in it, and counts what is.
func validate(t *testing.T, name string, m proto.Message) (packed int) {
	t.Helper()
	if v, ok := m.(interface{ ValidateAll() error }); !ok {
		t.Errorf("%s: %T can't be validated", name, m)
	} else if err := v.ValidateAll(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	var walk func(m protoreflect.Message)
	visit := func(v protoreflect.Value) {
		if inner, ok := v.Interface().(protoreflect.Message); ok {
			walk(inner)
		}
	}
	walk = func(m protoreflect.Message) {
		if a, ok := m.Interface().(*anypb.Any); ok {
			inner, err := a.UnmarshalNew()
			if err != nil {
				t.Fatal(err)
			}
			packed += 1 + validate(t, name, inner)
			return
		}
		m.Range(func(_ protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			switch v := v.Interface().(type) {
			case protoreflect.List:
				for i := range v.Len() {
					visit(v.Get(i))
				}
			case protoreflect.Map:
				v.Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool { visit(v); return true })
			default:
				visit(protoreflect.ValueOf(v))
			}
			return true
		})
	}
	walk(m.ProtoReflect())
	return packed
}

// shop is an application behind the stand-in for Envoy.
type shop struct {
	*world
	url  string
	seen atomic.Pointer[http.Request] // the request that reached the application last
	body atomic.Int64                 // bytes of its body
}

// newShop reads the recipe's policies with a root key of the test's own.
func newShop(t *testing.T, config string, w *world, verifier *verify.Verifier) *shop {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join(recipes, "policies.yaml"))
	w.must(string(text), err)
	w.must("", os.WriteFile(filepath.Join(dir, "policies.yaml"), text, 0o600))
	w.must("", os.WriteFile(filepath.Join(dir, "root-key"), []byte(w.root+"\n"), 0o600))
	set, err := policies.Load(filepath.Join(dir, "policies.yaml"))
	w.must("", err)
	s := &shop{world: w}
	app := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		s.body.Store(n)
		s.seen.Store(r)
		rw.Header().Set("RateLimit", `"app";r=1;t=1`)
		_, _ = io.WriteString(rw, "the application")
	}))
	t.Cleanup(app.Close)
	var conn *grpc.ClientConn
	s.server, conn = w.gateway(func(c *extauthz.Config) { c.Policies, c.Verifier = policies.New(set), verifier })
	s.url = newStandIn(t, config, conn, serveForwardAuth(t, verifier, set), app.URL).URL
	return s
}

// serveForwardAuth is the gateway over HTTP.
func serveForwardAuth(t *testing.T, verifier *verify.Verifier, set policies.Policies) string {
	t.Helper()
	forward := forwardauth.New(verifier, policies.New(set))
	router := web.NewRouter(forward.Dialect())
	router.Add(forward.Dialect(), forward.Routes()...)
	server := web.New(web.Config{DrainDelay: 1, Addresses: trusting(t, web.XForwardedFor, "127.0.0.1/32"), Log: slog.New(slog.DiscardHandler)}, router)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { _ = server.Shutdown(t.Context()) })
	return "http://" + ln.Addr().String()
}

// get sends a client's request; headers are "Name: value".
func (s *shop) get(method, path, body string, headers ...string) (*http.Response, string) {
	s.t.Helper()
	s.seen.Store(nil)
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	s.must("", err)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Add(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	s.must("", err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res, s.must(string(text), err)
}

// eachRecipe runs a test with each configuration.
func eachRecipe(t *testing.T, test func(t *testing.T, s *shop)) {
	for _, config := range []string{"envoy-grpc.yaml", "envoy-http.yaml"} {
		t.Run(config, func(t *testing.T) {
			w := newStore(t, redistest.Empty(t))
			test(t, newShop(t, config, w, verify.New(w.store, verify.Options{Timeout: longEnough})))
		})
	}
}

func (s *shop) reader(d keys.KeyDraft) string {
	s.t.Helper()
	permission, err := s.store.CreatePermission(s.t.Context(), s.as, keys.PermissionDraft{Name: "orders.read"})
	if err == nil {
		d.Permissions = []keys.Ref{{ID: permission.ID}}
	} else {
		d.Permissions = []keys.Ref{{Name: "orders.read"}}
	}
	return s.key(d).Secret.Reveal()
}

// What the conformance proposal of the Gateway API's ExternalAuth asks for, over both
// protocols: an allowed request goes on, with the headers of the authorization server and
// without the client's copies; the headers that are configured reach that server; a denied
// one does not go on, and the client has the denial's status, headers and body.
func TestExternalAuthCases(t *testing.T) {
	eachRecipe(t, func(t *testing.T, s *shop) {
		limited := s.reader(keys.KeyDraft{Name: "n", ExternalID: "u", Limits: []ratelimit.Limit{{Name: "requests", Limit: 3, Duration: 60_000, AutoApply: true}}})
		weak := s.key(keys.KeyDraft{Remaining: count(10)})
		for _, header := range []string{"Authorization: Bearer ", "X-Api-Key: "} {
			res, body := s.get("GET", "/orders/1?x=1&cost=0&apiId=none", "", header+limited, "X-Key-Id: spoofed", "X-Key-Roles: admin", "X-Tollgate-Root-Key: spoofed", "Cookie: a=b")
			seen := s.seen.Load()
			if res.StatusCode != 200 || body != "the application" || seen == nil {
				t.Fatalf("%s: %d %s", header, res.StatusCode, body)
			}
			if got := seen.Header.Values("X-Key-Owner"); len(got) != 1 || got[0] != "u" || seen.Header.Get("X-Key-Id") == "spoofed" || seen.Header.Get("X-Key-Roles") != "" {
				t.Errorf("the application sees %v", seen.Header)
			}
			if text := fmt.Sprint(seen.Header, seen.URL); strings.Contains(text, limited) || strings.Contains(text, "spoofed") || seen.Header.Get("Cookie") != "a=b" || seen.URL.RawQuery != "x=1&cost=0&apiId=none" {
				t.Errorf("the application sees %s", text)
			}
			if got := fmt.Sprint(res.Header.Values("RateLimit")); !strings.Contains(got, `"requests"`) {
				t.Errorf("the client sees %s", got)
			}
		}
		for _, c := range []struct {
			name, path, header string
			status             int
			challenge          string
		}{
			{"missing", "/orders", "A: b", 401, "Bearer"},
			{"unknown", "/orders", "X-Api-Key: nobody", 401, "invalid_token"},
			{"no permission", "/orders/1/2/3", bearer(weak), 403, `scope="orders.read"`},
			{"no permission, another path", "/orders/../../forward-auth/everything-else", bearer(weak), 403, `scope="orders.read"`},
		} {
			res, body := s.get("GET", c.path, "", c.header, "X-Tollgate-Code: spoofed")
			if res.StatusCode != c.status || s.seen.Load() != nil || !strings.Contains(res.Header.Get("WWW-Authenticate"), c.challenge) || res.Header.Get("Content-Type") != "application/problem+json" || res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d %v", c.name, res.StatusCode, res.Header)
			}
			var problem struct{ Code string }
			if err := json.Unmarshal([]byte(body), &problem); err != nil || problem.Code != res.Header.Get("X-Tollgate-Code") {
				t.Errorf("%s: %v, %s", c.name, err, body)
			}
		}
		if got := s.left(weak.ID); got != 10 {
			t.Errorf("refusals have spent %d", 10-got)
		}
	})
}

// The other outcomes, through the recipes: what is refused does not reach the application.
func TestRecipesRefuse(t *testing.T) {
	eachRecipe(t, func(t *testing.T, s *shop) {
		limited := s.reader(keys.KeyDraft{Limits: []ratelimit.Limit{{Name: "requests", Limit: 1, Duration: 60_000, AutoApply: true}}})
		if res, body := s.get("GET", "/orders", "", "X-Api-Key: "+limited); res.StatusCode != 200 {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
		for _, c := range []struct {
			name    string
			headers []string
			status  int
		}{
			{"disabled", []string{"X-Api-Key: " + s.reader(keys.KeyDraft{Disabled: true})}, 401},
			{"expired", []string{"X-Api-Key: " + s.reader(keys.KeyDraft{Expires: 1})}, 401},
			{"over a limit", []string{"X-Api-Key: " + limited}, 429},
			{"out of credits", []string{"X-Api-Key: " + s.reader(keys.KeyDraft{Remaining: count(0)})}, 429},
			{"two keys", []string{"X-Api-Key: " + limited, "Authorization: Bearer " + s.reader(keys.KeyDraft{})}, 400},
			{"two keys in one header", []string{"X-Api-Key: " + limited, "X-Api-Key: " + s.reader(keys.KeyDraft{})}, 400},
		} {
			res, body := s.get("GET", "/orders", "", c.headers...)
			if res.StatusCode != c.status || s.seen.Load() != nil {
				t.Errorf("%s: %d %s", c.name, res.StatusCode, body)
			}
			if wait := res.Header.Get("Retry-After"); (wait != "") != (c.name == "over a limit") {
				t.Errorf("%s: Retry-After %q", c.name, wait)
			}
		}
	})
}

// A large upload reaches the application whole. What is not protected has nobody's identity.
func TestRecipesPassOn(t *testing.T) {
	eachRecipe(t, func(t *testing.T, s *shop) {
		res, _ := s.get("PUT", "/upload", strings.Repeat("x", 1<<20), "X-Api-Key: "+s.key(keys.KeyDraft{}).Secret.Reveal())
		if res.StatusCode != 200 || s.body.Load() != 1<<20 {
			t.Errorf("an upload: %d, %d bytes arrive", res.StatusCode, s.body.Load())
		}
		res, _ = s.get("GET", "/healthz", "", "X-Key-Id: spoofed")
		if seen := s.seen.Load(); res.StatusCode != 200 || seen == nil || seen.Header.Get("X-Key-Id") != "" {
			t.Errorf("/healthz: %d, %v", res.StatusCode, seen)
		}
	})
}

// Who connects to Envoy is the client, whatever X-Forwarded-For says before.
func TestRecipesKnowTheClient(t *testing.T) {
	eachRecipe(t, func(t *testing.T, s *shop) {
		s.must("", s.store.AllowIPs(t.Context(), s.as, s.api, []string{"192.0.2.7"}))
		key := "X-Api-Key: " + s.key(keys.KeyDraft{}).Secret.Reveal()
		// The test's client is 127.0.0.1, a trusted proxy too: whom it names is the client.
		if res, body := s.get("GET", "/", "", key, "X-Forwarded-For: 192.0.2.8, 192.0.2.7"); res.StatusCode != 200 {
			t.Errorf("%d %s", res.StatusCode, body)
		}
		if res, _ := s.get("GET", "/", "", key, "X-Forwarded-For: 192.0.2.7, 192.0.2.8"); res.StatusCode != 403 {
			t.Errorf("a client says what its address is: %d", res.StatusCode)
		}
	})
}

// With Redis frozen, and with no gateway at all, nothing reaches the application.
func TestRecipesFailClosed(t *testing.T) {
	for _, config := range []string{"envoy-grpc.yaml", "envoy-http.yaml"} {
		t.Run(config, func(t *testing.T) {
			server := redistest.Start(t)
			w := newStore(t, server.Client())
			soon := store.Open(server.Client(), store.Options{Timeout: 250 * time.Millisecond})
			s := newShop(t, config, w, verify.New(soon, verify.Options{Timeout: 250 * time.Millisecond}))
			key := "X-Api-Key: " + s.reader(keys.KeyDraft{})
			if res, body := s.get("GET", "/orders", "", key); res.StatusCode != 200 {
				t.Fatalf("%d %s", res.StatusCode, body)
			}
			server.Freeze()
			res, _ := s.get("GET", "/orders", "", key)
			server.Thaw()
			if res.StatusCode != 503 || s.seen.Load() != nil {
				t.Errorf("with Redis frozen: %d", res.StatusCode)
			}
			gone := newStandIn(t, config, w.dial("127.0.0.1:1"), "http://127.0.0.1:1", s.url)
			s.url = gone.URL
			if res, _ := s.get("GET", "/orders", "", key); res.StatusCode != 503 || s.seen.Load() != nil {
				t.Errorf("without a gateway: %d", res.StatusCode)
			}
		})
	}
}
