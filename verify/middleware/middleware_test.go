package middleware_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/cmd/tollgate/forwardauth"
	"tollgate/cmd/tollgate/policies"
	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/ratelimit"
	"tollgate/verify"
	"tollgate/verify/authz"
	"tollgate/verify/middleware"
	"tollgate/verify/middleware/fast"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"github.com/valyala/fasthttp"
)

// world is a store with an API, a verifier on it, and a Tollgate.
type world struct {
	t        *testing.T
	store    *store.Store
	as       keys.Access
	ws, api  string
	root     keys.Secret
	verifier *verify.Verifier
	tollgate string
}

func newWorld(t *testing.T, c redis.UniversalClient) *world {
	t.Helper()
	w := &world{t: t, store: store.Open(c, store.Options{Timeout: 10 * time.Second})}
	var err error
	w.ws, err = w.store.Workspace(t.Context(), "test")
	w.must(err)
	w.as = keys.Operator(w.ws).As()
	api, err := w.store.CreateAPI(t.Context(), w.as, "test")
	w.must(err)
	w.api = api.ID
	_, w.root, err = w.store.CreateRootKey(t.Context(), w.ws, keys.RootDraft{Grants: []string{keys.Everything}})
	w.must(err)
	w.verifier = verify.New(w.store, verify.Options{Timeout: 10 * time.Second})
	forward := forwardauth.New(verify.New(w.store, verify.Options{Timeout: 10 * time.Second}), new(policies.Current))
	router := web.NewRouter(forward.Dialect())
	router.Add(forward.Dialect(), forward.Routes()...)
	addresses, err := web.NewAddresses([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, web.XForwardedFor)
	w.must(err)
	server := web.New(web.Config{DrainDelay: 1, Addresses: addresses, Log: slog.New(slog.DiscardHandler)}, router)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { _ = server.Shutdown(t.Context()) })
	w.tollgate = "http://" + ln.Addr().String()
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) key(d keys.KeyDraft) string {
	w.t.Helper()
	if d.APIID == "" {
		d.APIID = w.api
	}
	made, err := w.store.CreateKey(w.t.Context(), w.as, d)
	w.must(err)
	return made.Secret.Reveal()
}

func (w *world) remote() middleware.Decider {
	w.t.Helper()
	d, err := middleware.Remote(middleware.RemoteOptions{URL: w.tollgate, RootKey: w.root})
	w.must(err)
	return d
}

// seen is what a handler saw, and what its client was answered.
type seen struct {
	Status   int
	Header   http.Header
	Body     string
	Identity *middleware.Identity
	Spoofed  string // what is left of an identity header of the client's
}

// forms serve one request each through a form of the middleware.
func (w *world) forms(q *authz.Question, decider middleware.Decider) map[string]func(*http.Request) seen {
	w.t.Helper()
	return map[string]func(*http.Request) seen{"net/http": w.netHTTP(q, decider), "fasthttp": w.fastHTTP(q, decider)}
}

func (w *world) netHTTP(q *authz.Question, decider middleware.Decider) func(*http.Request) seen {
	protect, err := middleware.New(q, decider, middleware.Options{})
	w.must(err)
	return func(r *http.Request) (s seen) {
		recorder := httptest.NewRecorder()
		protect(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s.Identity, s.Spoofed = middleware.IdentityOf(r.Context()), r.Header.Get("X-Key-Id")
		})).ServeHTTP(recorder, r)
		s.Status, s.Header, s.Body = recorder.Code, recorder.Header(), recorder.Body.String()
		return s
	}
}

func (w *world) fastHTTP(q *authz.Question, decider middleware.Decider) func(*http.Request) seen {
	protect, err := fast.New(q, decider, fast.Options{})
	w.must(err)
	return func(r *http.Request) (s seen) {
		var ctx fasthttp.RequestCtx
		at, _ := net.ResolveTCPAddr("tcp", r.RemoteAddr)
		var req fasthttp.Request
		req.SetRequestURI(r.RequestURI)
		for name, values := range r.Header {
			for _, value := range values {
				req.Header.Add(name, value)
			}
		}
		ctx.Init(&req, at, nil)
		protect(func(ctx *fasthttp.RequestCtx) {
			s.Identity, s.Spoofed = fast.IdentityOf(ctx), string(ctx.Request.Header.Peek("X-Key-Id"))
		})(&ctx)
		s.Status, s.Body, s.Header = ctx.Response.StatusCode(), string(ctx.Response.Body()), http.Header{}
		for name, value := range ctx.Response.Header.All() {
			s.Header.Add(string(name), string(value))
		}
		return s
	}
}

func request(headers ...string) *http.Request {
	r := httptest.NewRequest("GET", "/orders?a=b", nil)
	r.RemoteAddr = "127.0.0.9:1234"
	r.Header.Set("X-Key-Id", "spoofed")
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// In process and over HTTP, for net/http and for fasthttp, the same request has the same
// answer, and the handler sees the same identity and nothing that the client wrote there.
func TestEveryFormHasTheSameAnswers(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		other, err := w.store.CreateAPI(t.Context(), w.as, "other")
		w.must(err)
		_, err = w.store.CreatePermission(t.Context(), w.as, keys.PermissionDraft{Name: "docs.read"})
		w.must(err)
		none, many := int64(0), int64(1000)
		limit := func(n int64) []ratelimit.Limit {
			return []ratelimit.Limit{{Name: "requests", Limit: n, Duration: 3_600_000, AutoApply: true}}
		}
		whole := keys.KeyDraft{
			Name: "ünï, 100 %", ExternalID: "user/1 ", Meta: []byte(`{"plan":"free"}`), Remaining: &many, Limits: limit(1000),
			Permissions: []keys.Ref{{Name: "docs.read"}},
		}
		spent := w.key(keys.KeyDraft{Limits: limit(1)})
		q := &authz.Question{APIID: w.api, Full: true}
		if d := middleware.InProcess(w.verifier).Decide(t.Context(), q, middleware.Client{Key: keys.NewSecret(spent)}); !d.Allowed() {
			t.Fatal("the first use is refused")
		}
		strict := &authz.Question{APIID: w.api, Permissions: verify.Permission("docs.write"), Cost: 5, Tags: []string{"a=b"}, Full: true}
		for _, one := range []struct {
			name    string
			q       *authz.Question
			headers []string
			status  int
		}{
			{"valid", q, []string{"Authorization: Bearer " + w.key(whole)}, 200},
			{"plain", q, []string{"X-API-Key: " + w.key(keys.KeyDraft{})}, 200},
			{"missing", q, nil, 401},
			{"unknown", q, []string{"X-API-Key: none"}, 401},
			{"two", q, []string{"X-API-Key: a", "Authorization: Bearer b"}, 400},
			{"disabled", q, []string{"X-API-Key: " + w.key(keys.KeyDraft{Disabled: true})}, 401},
			{"another API", q, []string{"X-API-Key: " + w.key(keys.KeyDraft{APIID: other.ID})}, 403},
			{"permission", strict, []string{"X-API-Key: " + w.key(whole)}, 403},
			{"limit", q, []string{"X-API-Key: " + spent}, 429},
			{"credits", q, []string{"X-API-Key: " + w.key(keys.KeyDraft{Remaining: &none})}, 429},
		} {
			var first *seen
			for place, decider := range map[string]middleware.Decider{"in process": middleware.InProcess(w.verifier), "remote": w.remote()} {
				for form, serve := range w.forms(one.q, decider) {
					got := serve(request(one.headers...))
					got.comparable()
					if got.Status != one.status || got.Spoofed != "" || (got.Identity != nil) != (one.status == 200) {
						t.Errorf("%s, %s, %s: %+v", one.name, place, form, got)
					}
					if first == nil {
						first = &got
					} else if diff := cmp.Diff(*first, got); diff != "" {
						t.Errorf("%s, %s, %s: %s", one.name, place, form, diff)
					}
				}
			}
		}
	})
}

// comparable takes out what differs from use to use.
func (s *seen) comparable() {
	for _, name := range []string{"Ratelimit", "Retry-After", "Content-Length"} {
		s.Header.Del(name)
	}
	if s.Status == 200 {
		s.Header.Del("Content-Type") // fasthttp's own
	}
	if s.Identity != nil && s.Identity.Remaining != nil {
		*s.Identity.Remaining = 0
	}
	if s.Identity != nil && len(s.Identity.Permissions) == 0 {
		s.Identity.Permissions = nil
	}
	if s.Identity != nil && len(s.Identity.Roles) == 0 {
		s.Identity.Roles = nil
	}
	if s.Identity != nil && len(s.Identity.Meta) == 0 {
		s.Identity.Meta = nil
	}
}

// The address that an API allows is the client's, in every form.
func TestTheClientsAddress(t *testing.T) {
	w := newWorld(t, redistest.Empty(t))
	w.must(w.store.AllowIPs(t.Context(), w.as, w.api, []string{"127.0.0.9"}))
	key := "X-API-Key: " + w.key(keys.KeyDraft{})
	q := &authz.Question{APIID: w.api}
	for place, decider := range map[string]middleware.Decider{"in process": middleware.InProcess(w.verifier), "remote": w.remote()} {
		for form, serve := range w.forms(q, decider) {
			for address, status := range map[string]int{"127.0.0.9:1": 200, "127.0.0.8:1": 403} {
				r := request(key)
				r.RemoteAddr = address
				if got := serve(r); got.Status != status {
					t.Errorf("%s, %s: %s is answered %d", place, form, address, got.Status)
				}
			}
		}
	}
}

// Nothing but the answer of a Tollgate lets a request through: a server that says 200 to
// everything, redirects, hangs up, or is not there, does not, and is asked once.
func TestWhatIsNoTollgateLetsNobodyThrough(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"200": func(w http.ResponseWriter, _ *http.Request) {},
		"200 and a page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Key-Id", "a")
			_, _ = w.Write([]byte("hello"))
		},
		"204": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Key-Id", "a"); w.WriteHeader(204) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
		},
		"404": func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
		"a code and 200": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(authz.CodeHeader, "VALID")
			w.Header().Set("X-Key-Id", "a")
		},
		"nothing": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				answer(w, r)
			}))
			defer server.Close()
			decider, err := middleware.Remote(middleware.RemoteOptions{URL: server.URL, RootKey: keys.NewSecret("root_secret"), Client: server.Client()})
			if err != nil {
				t.Fatal(err)
			}
			w := &world{t: t}
			for form, serve := range w.forms(&authz.Question{APIID: "*"}, decider) {
				asked.Store(0)
				got := serve(request("X-API-Key: key_secret"))
				var problem authz.Problem
				if err := json.Unmarshal([]byte(got.Body), &problem); err != nil || got.Identity != nil || got.Status < 500 || problem.Status != got.Status {
					t.Errorf("%s: %+v, %v", form, got, err)
				}
				if asked.Load() != 1 || strings.Contains(got.Body, "secret") || strings.Contains(got.Body, server.URL) {
					t.Errorf("%s: asked %d times, answered %s", form, asked.Load(), got.Body)
				}
			}
		})
	}
}

func TestWrongOptionsAreRefused(t *testing.T) {
	for _, o := range []middleware.RemoteOptions{
		{}, {URL: "127.0.0.1:8080", RootKey: keys.NewSecret("a")}, {URL: "http://127.0.0.1:8080"}, {URL: "ftp://a", RootKey: keys.NewSecret("a")},
	} {
		if _, err := middleware.Remote(o); err == nil {
			t.Errorf("%+v is let through", o)
		}
	}
	if _, err := middleware.New(&authz.Question{}, middleware.InProcess(nil), middleware.Options{}); err == nil {
		t.Error("a question without an API is let through")
	}
	if _, err := fast.New(&authz.Question{}, middleware.InProcess(nil), fast.Options{}); err == nil {
		t.Error("a question without an API is let through")
	}
}

// A Decision that allows without an identity, or refuses with a status that allows, lets
// nobody through.
func TestAHalfDecisionLetsNobodyThrough(t *testing.T) {
	w := &world{t: t}
	for _, d := range []middleware.Decision{{}, {Status: 200}, {Status: 302, Identity: &middleware.Identity{KeyID: "a"}}} {
		for form, serve := range w.forms(&authz.Question{APIID: "*"}, says{d}) {
			if got := serve(request("X-API-Key: a")); got.Identity != nil || got.Status != http.StatusInternalServerError {
				t.Errorf("%s: %+v becomes %+v", form, d, got)
			}
		}
	}

}

// says is a Decider that always says the same.
type says struct{ decision middleware.Decision }

func (s says) Decide(context.Context, *authz.Question, middleware.Client) middleware.Decision {
	return s.decision
}

// A key with spaces at its ends, or with what no header can carry, is another key than the one
// without them, at a Tollgate as in process.
func TestAKeyThatNoHeaderCanCarry(t *testing.T) {
	w := newWorld(t, redistest.Empty(t))
	key := w.key(keys.KeyDraft{})
	q := &authz.Question{APIID: w.api, Sources: []authz.Source{{Query: "key"}}}
	for place, decider := range map[string]middleware.Decider{"in process": middleware.InProcess(w.verifier), "remote": w.remote()} {
		for form, serve := range w.forms(q, decider) {
			for text, status := range map[string]int{key: 200, key + "%20": 401, "%09" + key: 401, key + "%0a": 401, key + "%00x": 401, key + "%7f": 401} {
				r := request()
				r.RequestURI = "/orders?key=" + text
				if got := serve(r); got.Status != status {
					t.Errorf("%s, %s: a key with %q is answered %d", place, form, strings.TrimPrefix(text, key), got.Status)
				}
			}
		}
	}
}
