package unkeyv1_test

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
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/bench/redistest"
	"tollgate/cmd/tollgate/unkeyv1"
	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/verify"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// golden is a gateway on a real Redis, and a record of what was said to it. Every
// exchange goes into testdata/NAME.golden, with what differs from run to run made
// alike; -update writes the file, otherwise the record must equal it.
//
//	g := newGolden(t, "roles")
//	role := g.post("create", "/v1/permissions.createRole", `{"name":"admin"}`).text("roleId")
//	g.get("read", "/v1/permissions.getRole?roleId="+role)
//	g.as("rbac.*.create_role").get("not allowed", "/v1/permissions.getRole?roleId="+role)
//	g.as().get("no root key", "/v1/permissions.getRole?roleId="+role)
//
// Ids become <role 1>, <role 2> by their first appearance, moments <time>, secrets
// <secret>, request ids <req>. Store and Workspace reach below the wire.
type golden struct {
	*recording
	rootKey string   // "" sends none
	grants  []string // of rootKey
}

// recording is what every caller of one gateway shares.
type recording struct {
	t         *testing.T
	url       string
	Store     *keys.Store
	Workspace string
	text      bytes.Buffer
	ids       map[string]string
	count     map[string]int
}

// newGolden starts a gateway whose caller has every right. Without a name nothing
// is recorded.
func newGolden(t *testing.T, name string) *golden {
	t.Helper()
	store := keys.Open(redistest.Shared(t).Client(), keys.Options{Timeout: 2 * time.Second})
	workspace, err := store.Workspace(t.Context(), keys.DefaultWorkspace)
	if err != nil {
		t.Fatal(err)
	}
	r := &recording{t: t, url: serveV1(t, store), Store: store, Workspace: workspace, ids: map[string]string{}, count: map[string]int{}}
	if name != "" {
		t.Cleanup(func() { r.compare(filepath.Join("testdata", name+".golden")) })
	}
	return (&golden{recording: r}).as(keys.Everything)
}

// serveV1 serves v1 on a store until the test ends, and gives the address.
func serveV1(t *testing.T, store *keys.Store) string {
	t.Helper()
	v1 := unkeyv1.New(store, verify.New(store, verify.Options{}), func(c *web.Call) netip.Addr { return c.Peer() })
	router := web.NewRouter(v1.Dialect())
	router.Add(v1.Dialect(), v1.Routes()...)
	server := web.New(web.Config{DrainDelay: time.Nanosecond, Log: slog.New(slog.DiscardHandler)}, router)
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

// as is another caller of the same gateway: a root key with these grants, or
// without any nobody, who sends no root key.
func (g *golden) as(grants ...string) *golden {
	g.t.Helper()
	return g.of(g.Workspace, grants...)
}

// of is a caller from a workspace.
func (g *golden) of(workspace string, grants ...string) *golden {
	g.t.Helper()
	if len(grants) == 0 {
		return &golden{recording: g.recording}
	}
	_, secret, err := g.Store.CreateRootKey(g.t.Context(), workspace, keys.RootDraft{Grants: grants})
	if err != nil {
		g.t.Fatal(err)
	}
	shown := grants
	if workspace != g.Workspace {
		shown = []string{"another workspace's " + strings.Join(grants, ", ")}
	}
	return &golden{g.recording, secret.Reveal(), shown}
}

// stranger is a caller from another workspace, with every right there.
func (g *golden) stranger() *golden {
	g.t.Helper()
	other, err := g.Store.Workspace(g.t.Context(), "stranger")
	if err != nil {
		g.t.Fatal(err)
	}
	return g.of(other, keys.Everything)
}

// answer is what came back.
type answer struct {
	t      *testing.T
	status int
	body   any // as encoding/json decodes it
}

// text is a string member of the body.
func (a answer) text(name string) string {
	a.t.Helper()
	members, _ := a.body.(map[string]any)
	s, ok := members[name].(string)
	if !ok {
		a.t.Fatalf("no text %q in status %d, %v", name, a.status, a.body)
	}
	return s
}

// get records a GET. title says what it shows.
func (g *golden) get(title, path string) answer {
	g.t.Helper()
	return g.exchange(title, http.MethodGet, path, "")
}

// list records a GET of a list, with its rows sorted: ids of one second are in no
// order, so what order and cursor do is a matter for other tests. member names the array in the body; ""
// is the body itself.
func (g *golden) list(title, path, member string) answer {
	g.t.Helper()
	status, got := g.send(http.MethodGet, path, "")
	got = cursorPattern.ReplaceAll(sortedRows(got, member), []byte(`${1}<cursor>${2}`))
	return g.record(title, http.MethodGet, path, "", status, got)
}

// sortedRows sorts the rows of an array by their text without ids. The answer's
// other bytes stay as they are.
func sortedRows(body []byte, member string) []byte {
	array := json.RawMessage(body)
	if member != "" {
		var members map[string]json.RawMessage
		_ = json.Unmarshal(body, &members)
		array = members[member]
	}
	var rows []json.RawMessage
	if json.Unmarshal(array, &rows) != nil || len(rows) == 0 {
		return body
	}
	slices.SortFunc(rows, func(a, b json.RawMessage) int {
		return bytes.Compare(idPattern.ReplaceAll(a, nil), idPattern.ReplaceAll(b, nil))
	})
	sorted, _ := json.Marshal(rows) // they were JSON a moment ago
	return bytes.Replace(body, array, sorted, 1)
}

// post records a POST of a JSON body.
func (g *golden) post(title, path, body string) answer {
	g.t.Helper()
	return g.exchange(title, http.MethodPost, path, body)
}

func (g *golden) exchange(title, method, path, body string) answer {
	g.t.Helper()
	status, got := g.send(method, path, body)
	return g.record(title, method, path, body, status, got)
}

func (g *golden) record(title, method, path, body string, status int, got []byte) answer {
	g.t.Helper()
	fmt.Fprintf(&g.recording.text, "# %s\n%s %s\n", title, method, g.alike(path))
	switch {
	case g.rootKey == "":
		g.recording.text.WriteString("without a root key\n")
	case len(g.grants) != 1 || g.grants[0] != keys.Everything:
		fmt.Fprintf(&g.recording.text, "by %s\n", g.alike(strings.Join(g.grants, ", ")))
	}
	if body != "" {
		fmt.Fprintf(&g.recording.text, "%s\n", g.alike(body))
	}
	fmt.Fprintf(&g.recording.text, "-> %d\n%s\n", status, g.alike(string(got)))
	a := answer{t: g.t, status: status}
	if err := json.Unmarshal(got, &a.body); err != nil {
		g.t.Fatalf("%s: the body is not JSON: %q", title, got)
	}
	g.recording.text.WriteString("\n")
	return a
}

// read gives the members of what a GET answers, and records nothing.
func (g *golden) read(path string) map[string]any {
	g.t.Helper()
	status, got := g.send(http.MethodGet, path, "")
	var members map[string]any
	if err := json.Unmarshal(got, &members); err != nil || status != http.StatusOK {
		g.t.Fatalf("GET %s: %d %s", path, status, got)
	}
	return members
}

// send makes one exchange and records nothing.
func (g *golden) send(method, path, body string) (int, []byte) {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), method, g.url+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	if g.rootKey != "" {
		req.Header.Set("Authorization", "Bearer "+g.rootKey)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
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
	return res.StatusCode, got
}

var (
	idPattern     = regexp.MustCompile(`\b(?:(?:key|api|ws|perm|role|id|rlns|rlor|rl)_[1-9A-HJ-NP-Za-km-z]{17}|req_[0-9a-v]{20})\b`)
	secretPattern = regexp.MustCompile(`("key":")[^"]*[1-9A-HJ-NP-Za-km-z]{22,}(")`)
	startPattern  = regexp.MustCompile(`("start":")[^"]*(")`)
	cursorPattern = regexp.MustCompile(`("cursor":")[^"]*(")`)
	timePattern   = regexp.MustCompile(`\b1[0-9]{12}\b`)
)

// alike makes what differs from run to run the same.
func (r *recording) alike(text string) string {
	text = secretPattern.ReplaceAllString(text, `${1}<secret>${2}`)
	text = startPattern.ReplaceAllString(text, `${1}<start>${2}`)
	text = timePattern.ReplaceAllString(text, "<time>")
	return idPattern.ReplaceAllStringFunc(text, func(id string) string {
		kind, _, _ := strings.Cut(id, "_")
		if kind == "req" {
			return "<req>"
		}
		if r.ids[id] == "" {
			r.count[kind]++
			r.ids[id] = fmt.Sprintf("<%s %d>", kind, r.count[kind])
		}
		return r.ids[id]
	})
}

// compare holds the record against its file, or writes it.
func (r *recording) compare(file string) {
	if *update {
		if err := os.WriteFile(file, r.text.Bytes(), 0o644); err != nil {
			r.t.Error(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		r.t.Errorf("%v; go test ./cmd/tollgate/unkeyv1 -run '%s' -update writes it", err, r.t.Name())
		return
	}
	got := strings.Split(r.text.String(), "\n\n")
	for i, one := range strings.Split(string(want), "\n\n") {
		if i >= len(got) || got[i] != one {
			r.t.Errorf("%s, exchange %d.\nwant:\n%s\n\ngot:\n%s", file, i+1, one, at(got, i))
			return
		}
	}
	if len(got) > len(strings.Split(string(want), "\n\n")) {
		r.t.Errorf("%s has fewer exchanges than the test", file)
	}
}

func at(all []string, i int) string {
	if i < len(all) {
		return all[i]
	}
	return "nothing"
}

// The endpoints by which every other one's test begins.
func TestGoldenAPIs(t *testing.T) {
	g := newGolden(t, "apis")
	api := g.post("create", "/v1/apis.createApi", `{"name":"golden"}`).text("apiId")
	g.get("read", "/v1/apis.getApi?apiId="+api)
	g.post("short name", "/v1/apis.createApi", `{"name":"go"}`)
	g.post("no body", "/v1/apis.createApi", ``)
	g.get("unknown", "/v1/apis.getApi?apiId=api_unknown")
	g.stranger().get("another workspace's", "/v1/apis.getApi?apiId="+api)
	g.as("api.*.create_api").get("missing right", "/v1/apis.getApi?apiId="+api)
	g.as("api."+api+".read_api").get("right over this one", "/v1/apis.getApi?apiId="+api)
	g.as("api.*.read_api").post("missing right to create", "/v1/apis.createApi", `{"name":"golden"}`)
	g.as().post("no root key", "/v1/apis.createApi", `{"name":"golden"}`)
	g.as().get("no root key", "/v1/apis.getApi?apiId="+api)
}
