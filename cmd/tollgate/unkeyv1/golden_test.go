package unkeyv1_test

import (
	"encoding/json"
	"net/http"
	"testing"

	kit "tollgate/cmd/tollgate/golden"
	"tollgate/cmd/tollgate/unkeyv1"
	"tollgate/cmd/tollgate/web"
	"tollgate/keys/store"
	"tollgate/keys/usage"
	"tollgate/verify"
)

// golden is a caller of a gateway on a real Redis whose exchanges are recorded, as
// package golden says.
//
//	g := newGolden(t, "roles")
//	role := g.post("create", "/v1/permissions.createRole", `{"name":"admin"}`).text("roleId")
//	g.get("read", "/v1/permissions.getRole?roleId="+role)
//	g.as("rbac.*.create_role").get("not allowed", "/v1/permissions.getRole?roleId="+role)
//	g.as().get("no root key", "/v1/permissions.getRole?roleId="+role)
type golden struct {
	*kit.Caller
	t       *testing.T
	rootKey string
}

// newGolden starts a gateway whose caller has every right. Without a name nothing
// is recorded.
func newGolden(t *testing.T, name string) *golden {
	t.Helper()
	return goldenOf(t, kit.New(t, name, serveV1))
}

func serveV1(store *store.Store, verifier *verify.Verifier) *web.Router {
	v1 := unkeyv1.New(store, usage.NewReader(store, 0), verifier)
	router := web.NewRouter(v1.Dialect())
	router.Add(v1.Dialect(), v1.Routes()...)
	return router
}

func goldenOf(t *testing.T, c *kit.Caller) *golden { return &golden{c, t, c.RootKey} }

// as is another caller of the same gateway: a root key with these grants, or
// without any nobody, who sends no root key.
func (g *golden) as(grants ...string) *golden {
	g.t.Helper()
	return goldenOf(g.t, g.As(grants...))
}

// stranger is a caller from another workspace, with every right there.
func (g *golden) stranger() *golden {
	g.t.Helper()
	return goldenOf(g.t, g.Stranger())
}

// answer is what came back.
type answer struct {
	kit.Answer
	status int
	body   any // as encoding/json decodes it
}

func answerOf(a kit.Answer) answer { return answer{a, a.Status, a.Body} }

// text is a string member of the body.
func (a answer) text(name string) string { return a.Text(name) }

// get records a GET. title says what it shows.
func (g *golden) get(title, path string) answer {
	g.t.Helper()
	return answerOf(g.Get(title, path))
}

// list records a GET of a list, with its rows sorted.
func (g *golden) list(title, path, member string) answer {
	g.t.Helper()
	return answerOf(g.List(title, path, member))
}

// post records a POST of a JSON body.
func (g *golden) post(title, path, body string) answer {
	g.t.Helper()
	return answerOf(g.Post(title, path, body))
}

// send makes one exchange and records nothing.
func (g *golden) send(method, path, body string) (int, []byte) {
	g.t.Helper()
	return g.Send(method, path, body)
}

// read returns the members of what a GET answers, and records nothing.
func (g *golden) read(path string) map[string]any {
	g.t.Helper()
	status, got := g.Send(http.MethodGet, path, "")
	var members map[string]any
	if err := json.Unmarshal(got, &members); err != nil || status != http.StatusOK {
		g.t.Fatalf("GET %s: %d %s", path, status, got)
	}
	return members
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
