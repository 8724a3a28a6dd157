package forwardauth_test

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tollgate/cmd/tollgate/forwardauth"
	"tollgate/cmd/tollgate/policies"
	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/store"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// world is a workspace with an API, a root key, and a gateway that a trusted proxy asks.
type world struct {
	t     testing.TB
	store *store.Store
	as    keys.Access
	ws    string
	api   string
	root  string
	url   string
}

func newWorld(t testing.TB, c redis.UniversalClient, timeout time.Duration, set policies.Policies) *world {
	t.Helper()
	w := &world{t: t, store: store.Open(c, store.Options{Timeout: 10 * time.Second})}
	ws, err := w.store.Workspace(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	w.ws, w.as = ws, keys.Operator(ws).As()
	api, err := w.store.CreateAPI(t.Context(), w.as, "test")
	if err != nil {
		t.Fatal(err)
	}
	w.api = api.ID
	w.root = w.rootKey(keys.Everything)
	w.url = w.gateway(timeout, set)
	return w
}

// gateway starts one more on the store, and returns its address.
func (w *world) gateway(timeout time.Duration, set policies.Policies) string {
	w.t.Helper()
	addresses, err := web.NewAddresses([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, web.XForwardedFor)
	if err != nil {
		w.t.Fatal(err)
	}
	forward := forwardauth.New(verify.New(w.store, verify.Options{Timeout: timeout}), policies.New(set))
	router := web.NewRouter(forward.Dialect())
	router.Add(forward.Dialect(), forward.Routes()...)
	server := web.New(web.Config{DrainDelay: 1, Addresses: addresses, Log: slog.New(slog.DiscardHandler)}, router)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	go func() { _ = server.Serve(ln) }()
	w.t.Cleanup(func() { _ = server.Shutdown(w.t.Context()) })
	return "http://" + ln.Addr().String()
}

func (w *world) rootKey(grants ...string) string {
	w.t.Helper()
	_, root, err := w.store.CreateRootKey(w.t.Context(), w.ws, keys.RootDraft{Grants: grants})
	if err != nil {
		w.t.Fatal(err)
	}
	return root.Reveal()
}

func (w *world) key(d keys.KeyDraft) keys.NewKey {
	w.t.Helper()
	if d.APIID == "" {
		d.APIID = w.api
	}
	made, err := w.store.CreateKey(w.t.Context(), w.as, d)
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// left is the balance of a key.
func (w *world) left(id string) int64 {
	w.t.Helper()
	found, err := w.store.Key(w.t.Context(), w.as, id, false)
	if err != nil {
		w.t.Fatal(err)
	}
	return found.State.Balance
}

// answer is what a proxy is told.
type answer struct {
	*http.Response
	body string
}

// ask sends a request; headers are "Name: value".
func (w *world) ask(method, path string, headers ...string) answer {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Add(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{res, string(body)}
}

// exact asks in the form whose question is the query.
func (w *world) exact(question string, headers ...string) answer {
	w.t.Helper()
	return w.ask("GET", "/forward-auth?"+question, append(headers, "X-Tollgate-Root-Key: "+w.root)...)
}

// is checks an answer's status and code; "" is that of an answer that allows.
func (a answer) is(t *testing.T, status int, code string) {
	t.Helper()
	if a.StatusCode != status || a.Header.Get("X-Tollgate-Code") != code {
		t.Errorf("answered %d %s, want %d %s: %s", a.StatusCode, a.Header.Get("X-Tollgate-Code"), status, code, a.body)
	}
}

func bearer(key keys.NewKey) string {
	return fmt.Sprintf("Authorization: Bearer %s", key.Secret.Reveal())
}
