package netbird_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"tollgate/cmd/tollgate/golden"
	"tollgate/cmd/tollgate/netbird"
	"tollgate/keys"
	"tollgate/keys/store"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// gate is one gateway, and a caller of it.
type gate struct {
	t     *testing.T
	url   string
	token string // "" sends none
	once  bool   // a 503 is an answer
	store *store.Store
}

// newGate starts a gateway on a Redis, whose caller has every right.
func newGate(t *testing.T, c redis.UniversalClient, o netbird.Options) *gate {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	store := store.Open(c, store.Options{Timeout: 10 * time.Second})
	workspace, err := store.Workspace(t.Context(), keys.DefaultWorkspace)
	if err != nil {
		t.Fatal(err)
	}
	_, secret, err := store.CreateRootKey(t.Context(), workspace, keys.RootDraft{Grants: []string{keys.Everything}, Secret: keys.NewAccessToken()})
	if err != nil {
		t.Fatal(err)
	}
	url := golden.Listen(t, serveWith(o)(store, verify.New(store, verify.Options{})))
	return &gate{t: t, url: url, token: "Token " + secret.Reveal(), store: store}
}

// as is the same gateway with another Authorization.
func (g *gate) as(authorization string) *gate {
	other := *g
	other.token = authorization
	return &other
}

// reply is what a gateway said.
type reply struct {
	status int
	header http.Header
	raw    string
	body   map[string]any   // of an object
	list   []map[string]any // of an array
}

// do makes a request, with headers as "Name: value", and makes it again where a busy
// machine was too slow for the store's time limits.
func (g *gate) do(method, path, body string, headers ...string) reply {
	for deadline := time.Now().Add(10 * time.Second); ; {
		if r := g.ask(method, path, body, headers); r.status != 503 || g.once || time.Now().After(deadline) {
			return r
		}
	}
}

// ask makes one request. Whatever fails, the answer is JSON, and an error is NetBird's.
func (g *gate) ask(method, path, body string, headers []string) reply {
	req, err := http.NewRequest(method, g.url+path, strings.NewReader(body))
	if err != nil {
		g.t.Error(err)
		return reply{}
	}
	if g.token != "" {
		req.Header.Set("Authorization", g.token)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Error(err)
		return reply{}
	}
	defer res.Body.Close()
	raw, _ := io.ReadAll(res.Body)
	r := reply{status: res.StatusCode, header: res.Header, raw: string(raw)}
	if json.Unmarshal(raw, &r.body) != nil && json.Unmarshal(raw, &r.list) != nil && r.status != http.StatusNoContent {
		g.t.Errorf("%s %s: %d with a body that is no JSON: %q", method, path, r.status, raw)
	}
	if r.status >= 400 {
		g.checkError(r)
	}
	return r
}

func (g *gate) checkError(r reply) {
	message, _ := r.body["message"].(string)
	if message == "" || r.body["code"] != float64(r.status) || len(r.body) != 2 {
		g.t.Errorf("%d is not NetBird's error: %s", r.status, r.raw)
	}
}

// want is do, where the status is known.
func (g *gate) want(status int, method, path, body string, headers ...string) reply {
	g.t.Helper()
	r := g.do(method, path, body, headers...)
	if r.status != status {
		g.t.Errorf("%s %s %.200s: want %d, got %d %.300s", method, path, body, status, r.status, r.raw)
	}
	return r
}

// create makes a setup key.
func (g *gate) create(body string) (id, key string) {
	g.t.Helper()
	r := g.want(200, "POST", "/api/setup-keys", body)
	id, _ = r.body["id"].(string)
	key, _ = r.body["key"].(string)
	return id, key
}

func (g *gate) group(name string) string {
	g.t.Helper()
	id, _ := g.want(200, "POST", "/api/groups", `{"name":"`+name+`"}`).body["id"].(string)
	return id
}

// has checks members of an answer.
func (r reply) has(t *testing.T, want map[string]any) {
	t.Helper()
	for name, value := range want {
		expected, _ := json.Marshal(value)
		if got, _ := json.Marshal(r.body[name]); !bytes.Equal(got, expected) {
			t.Errorf("%s is %s, want %s", name, got, expected)
		}
	}
}

func (r reply) message() string { s, _ := r.body["message"].(string); return s }
