// Package golden is a test kit: a gateway on a real Redis, and a record of what was
// said to it. Every exchange goes into testdata/NAME.golden of the test's package,
// with what differs from run to run made alike; -update writes the file, otherwise
// the record must equal it. Every answer, and every request that was granted, is
// also held against the document that package openapi writes of the router.
//
//	g := golden.New(t, "roles", serve)
//	role := g.Post("create", "/v2/permissions.createRole", `{"name":"admin"}`).Text("data.roleId")
//	g.Post("read", "/v2/permissions.getRole", `{"role":"`+role+`"}`)
//	g.As("rbac.*.create_role").Post("not allowed", "/v2/permissions.getRole", `{"role":"`+role+`"}`)
//	g.As().Post("no root key", "/v2/permissions.getRole", `{"role":"`+role+`"}`)
//
// Ids become <role 1>, <role 2> by their first appearance, moments <time>, secrets
// <secret>, request ids <req>. Store and Workspace reach below the wire.
package golden

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/verify"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// storeTimeout is how long a store may take on a busy machine.
const storeTimeout = 10 * time.Second

// Serve makes the router that a test talks to.
type Serve func(*store.Store, *verify.Verifier) *web.Router

// Caller is somebody who asks a gateway.
type Caller struct {
	*Recording
	RootKey string   // "" sends none
	grants  []string // of RootKey
}

// Recording is what every caller of one gateway shares.
type Recording struct {
	Store     *store.Store
	Workspace string

	t        *testing.T
	url      string
	document *document
	text     bytes.Buffer
	ids      map[string]string
	count    map[string]int
}

// New starts a gateway whose caller has every right. Without a name nothing is
// recorded.
func New(t *testing.T, name string, serve Serve) *Caller {
	t.Helper()
	store := store.Open(redistest.Empty(t), store.Options{Timeout: storeTimeout, Audit: audit.Options{On: true, Wait: true}})
	workspace, err := store.Workspace(t.Context(), keys.DefaultWorkspace)
	if err != nil {
		t.Fatal(err)
	}
	router := serve(store, verify.New(store, verify.Options{Timeout: storeTimeout}))
	r := &Recording{
		Store: store, Workspace: workspace, t: t, url: Listen(t, router), document: documentOf(t, router),
		ids: map[string]string{}, count: map[string]int{},
	}
	if name != "" {
		t.Cleanup(func() { r.compare(filepath.Join("testdata", name+".golden")) })
	}
	return (&Caller{Recording: r}).As(keys.Everything)
}

// Listen serves a router until the test ends, and returns the address. Whoever calls it is a
// trusted proxy, and may say in X-Forwarded-For whose address a request has.
func Listen(t *testing.T, router *web.Router, configure ...func(*web.Config)) string {
	t.Helper()
	addresses, err := web.NewAddresses([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, web.XForwardedFor)
	if err != nil {
		t.Fatal(err)
	}
	config := web.Config{DrainDelay: time.Nanosecond, Addresses: addresses, Log: slog.New(slog.DiscardHandler)}
	for _, set := range configure {
		set(&config)
	}
	server := web.New(config, router)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
		<-ended
	})
	return "http://" + listener.Addr().String()
}

// As is another caller of the same gateway: a root key with these grants, or
// without any nobody, who sends no root key.
func (g *Caller) As(grants ...string) *Caller {
	g.t.Helper()
	return g.Of(g.Workspace, grants...)
}

// Of is a caller from a workspace.
func (g *Caller) Of(workspace string, grants ...string) *Caller {
	g.t.Helper()
	if len(grants) == 0 {
		return &Caller{Recording: g.Recording}
	}
	_, secret, err := g.Store.CreateRootKey(g.t.Context(), workspace, keys.RootDraft{Grants: grants})
	if err != nil {
		g.t.Fatal(err)
	}
	shown := grants
	if workspace != g.Workspace {
		shown = []string{"another workspace's " + strings.Join(grants, ", ")}
	}
	return &Caller{g.Recording, secret.Reveal(), shown}
}

// With is a caller who sends something of their own as a root key.
func (g *Caller) With(rootKey, shown string) *Caller {
	return &Caller{g.Recording, rootKey, []string{shown}}
}

// Stranger is a caller from another workspace, with every right there.
func (g *Caller) Stranger() *Caller {
	g.t.Helper()
	other, err := g.Store.Workspace(g.t.Context(), "stranger")
	if err != nil {
		g.t.Fatal(err)
	}
	return g.Of(other, keys.Everything)
}

// Answer is what came back.
type Answer struct {
	Status int
	Body   any // as encoding/json decodes it
	Header http.Header
	t      *testing.T
}

// Text is a string in the body, at a dotted path of members.
func (a Answer) Text(path string) string {
	a.t.Helper()
	value := a.Body
	for name := range strings.SplitSeq(path, ".") {
		members, _ := value.(map[string]any)
		value = members[name]
	}
	s, ok := value.(string)
	if !ok {
		a.t.Fatalf("no text %q in status %d, %v", path, a.Status, a.Body)
	}
	return s
}

// Get records a GET. title says what it shows.
func (g *Caller) Get(title, path string) Answer {
	g.t.Helper()
	return g.Exchange(title, http.MethodGet, path, "")
}

// Post records a POST of a JSON body.
func (g *Caller) Post(title, path, body string) Answer {
	g.t.Helper()
	return g.Exchange(title, http.MethodPost, path, body)
}

// List records a GET of a list, with its rows sorted: ids of one moment are in no
// order, so what order and cursor do is a matter for other tests. member names the
// array in the body; "" is the body itself.
func (g *Caller) List(title, path, member string) Answer {
	g.t.Helper()
	return g.Sorted(title, http.MethodGet, path, "", member)
}

// Sorted is Exchange with the rows of an array in the answer sorted.
func (g *Caller) Sorted(title, method, path, body, member string) Answer {
	g.t.Helper()
	res, got := g.send(method, path, body, nil)
	got = cursorPattern.ReplaceAll(sortedRows(got, member), []byte(`${1}<cursor>${2}`))
	return g.record(title, method, path, body, nil, res, got)
}

// Exchange records a request, with headers as "Name: value".
func (g *Caller) Exchange(title, method, path, body string, headers ...string) Answer {
	g.t.Helper()
	res, got := g.send(method, path, body, headers)
	return g.record(title, method, path, body, headers, res, got)
}

// Send makes an exchange and records nothing.
func (g *Caller) Send(method, path, body string, headers ...string) (int, []byte) {
	g.t.Helper()
	res, got := g.send(method, path, body, headers)
	return res.StatusCode, got
}

func (g *Caller) send(method, path, body string, headers []string) (*http.Response, []byte) {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), method, g.url+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	if g.RootKey != "" {
		req.Header.Set("Authorization", "Bearer "+g.RootKey)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	if err := g.document.check(req, body, res, got); err != nil {
		g.t.Error(err)
	}
	return res, got
}

func (g *Caller) record(title, method, path, body string, headers []string, res *http.Response, got []byte) Answer {
	g.t.Helper()
	out := &g.Recording.text
	fmt.Fprintf(out, "# %s\n%s %s\n", title, method, g.alike(path))
	switch {
	case g.RootKey == "":
		out.WriteString("without a root key\n")
	case len(g.grants) != 1 || g.grants[0] != keys.Everything:
		fmt.Fprintf(out, "by %s\n", g.alike(strings.Join(g.grants, ", ")))
	}
	for _, line := range append(slices.Clone(headers), body) {
		if line != "" {
			fmt.Fprintf(out, "%s\n", g.alike(line))
		}
	}
	fmt.Fprintf(out, "-> %d\n%s\n", res.StatusCode, g.alike(string(got)))
	a := Answer{t: g.t, Status: res.StatusCode, Header: res.Header}
	if err := json.Unmarshal(got, &a.Body); err != nil {
		g.t.Fatalf("%s: the body is not JSON: %q", title, got)
	}
	out.WriteString("\n")
	return a
}
