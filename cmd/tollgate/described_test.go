package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/cmd/tollgate/forwardauth"
	"tollgate/cmd/tollgate/golden"
	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/keys/setupkeys"
	"tollgate/verify"
	"tollgate/verify/authz"
)

// unbounded are the members that the document describes without a bound, with where and
// why.
var unbounded = []struct{ names, routes, why string }{
	{"id identity identityId keyId apiId permissionId roleId namespaceId namespaceName migrationId", "", "looked up only: what nothing has is not found"},
	{"name slug", "/v1/keys.", "looked up, and where one is made of it the right length of names is checked"},
	{"externalId ownerId", "/v1/apis", "looked up only"},
	{"externalId ownerId", "/v1/keys.getVerifications", "looked up only"},
	{"externalId ownerId", "/v1/analytics", "looked up only"},
	{"externalId", "/v1/identities", "looked up only"},
	{"externalId", "/v2/apis.listKeys", "looked up only"},
	{"identifier", "Override", "looked up only"},
	{"name", "/api/groups", "looked up only"},
	{"cursor", "", "refused where it can't be one"},
	{"key", "", "digested: what nothing has is not found"},
	{"keyId tag", "/v1/analytics", "compared only"},
	{"auto_groups", "", "ids of groups: what nothing has is refused"},
	{"environment", "Identit", "compared only"},
	{"groupBy", "", "each of a few, and said twice it is the same"},
	{"hash value", "migr", "a digest, in the form of its migration or variant"},
	{"id name type resources", "/v1/ratelimits.limit", "accepted as upstream, and not looked at"},
	{"peers resources", "/api/groups", "none may be given"},
	{"query", "/v2/analytics", "not looked at"},
	{"keys", "/v2/keys.migrateKeys", "as many as a body holds, stored some at a time"},
}

func mayBeUnbounded(path string, at []string) bool {
	name := at[len(at)-1]
	if name == element {
		name = at[len(at)-2]
	}
	for _, u := range unbounded {
		if slices.Contains(strings.Fields(u.names), name) && strings.Contains(path, u.routes) {
			return true
		}
	}
	return false
}

// lacking is the keyword that a value has not and needs to be bounded; "" for none.
func lacking(d schema.Description) string {
	has := func(keyword string) bool { return d[keyword] != nil }
	switch kind := typeOf(d); {
	case kind == "string" && !has("maxLength") && !has("enum"):
		return "maxLength"
	case kind == "integer" && !has("maximum"):
		return "maximum"
	case kind == "integer" && !has("minimum") && !has("exclusiveMinimum"):
		return "minimum"
	case kind == "array" && !has("maxItems"):
		return "maxItems"
	}
	return ""
}

// Every text, number and list that a request may give is described with its bounds, in
// each dialect, or there is a reason why it has none.
func TestEveryValueIsBounded(t *testing.T) {
	seen := 0
	for _, r := range serveAll(nil, nil).Routes() {
		values(r.Request, nil, func(path []string, d schema.Description) {
			seen++
			if keyword := lacking(plain(d)); keyword != "" && !mayBeUnbounded(r.Path, path) {
				t.Errorf("%s %s: %s has no %s", r.Method, r.Path, strings.Join(path, "."), keyword)
			}
		})
	}
	if seen < 400 {
		t.Errorf("only %d values were looked at", seen)
	}
}

// bases are the requests that the walk of the bounds starts from, where visits has none or
// where what is bounded needs something beside it.
var bases = map[string]string{
	"POST /v1/keys.createKey":         `{"apiId":"{api}","remaining":5}`,
	"POST /v1/keys":                   `{"apiId":"{api}","remaining":5}`,
	"POST /v1/keys.verifyKey":         `{"key":"{secret}"}`,
	"POST /v1/keys/verify":            `{"key":"{secret}"}`,
	"POST /v1/migrations.createKeys":  `[{"apiId":"{api}","plaintext":"0123456789abcdef","remaining":5}]`,
	"POST /v1/migrations.enqueueKeys": `{"migrationId":"m","apiId":"{api}","keys":[{"plaintext":"0123456789abcdef","remaining":5}]}`,

	"* /forward-auth": `apiId={api}`,

	"POST /api/setup-keys":                    `{"name":"n","type":"reusable","expires_in":86400,"auto_groups":[],"usage_limit":0}`,
	"POST /api/setup-keys/redeem":             `{"key":"none","peer":"p"}`,
	"PUT /api/setup-keys/{keyId}":             `{"auto_groups":[]}`,
	"GET /api/setup-keys/{keyId}/redemptions": ``,
	"GET /api/groups":                         ``,
	"POST /api/groups":                        `{"name":"another"}`,
	"PUT /api/groups/{groupId}":               `{"name":"changed"}`,
}

// bounded is a town whose gateway speaks every dialect.
type bounded struct {
	*town
	root  string
	paths *strings.Replacer
}

func newBounded(t *testing.T) *bounded {
	b := &bounded{town: newTown(t)}
	b.root = b.town.root(b.ws, keys.Everything)
	b.url = golden.Listen(t, serveAll(b.store, verify.New(b.store, verify.Options{Timeout: 10 * time.Second})))
	a := keys.Operator(b.ws).As()
	group := must(setupkeys.New(b.store).CreateGroup(t.Context(), a, "group"))
	key, _, err := setupkeys.New(b.store).CreateSetupKey(t.Context(), a, setupkeys.SetupKeyDraft{Name: "setup", Type: setupkeys.SetupReusable})
	if err != nil {
		t.Fatal(err)
	}
	b.paths = strings.NewReplacer("{keyId}", key.ID, "{groupId}", group.ID)
	return b
}

// request is the base of a route in which the value at a path is another.
func (b *bounded) request(r web.Route, path []string, value any) (status int, answer string) {
	b.t.Helper()
	name := r.Method + " " + r.Path
	base, ok := bases[name]
	if !ok {
		base = visits[name].with
	}
	base = b.has.Replace(base)
	if readsQuery(r) {
		query := must(url.ParseQuery(base))
		if list, ok := value.([]any); ok {
			query.Del(path[0])
			for _, one := range list {
				query.Add(path[0], fmt.Sprint(one))
			}
		} else {
			query.Set(path[0], fmt.Sprint(value))
		}
		return b.send(r, "?"+query.Encode(), "")
	}
	var body any
	if base != "" {
		in := json.NewDecoder(strings.NewReader(base))
		in.UseNumber()
		if err := in.Decode(&body); err != nil {
			b.t.Fatal(name, err)
		}
	}
	return b.send(r, "", string(must(json.Marshal(with(body, r.Request, path, value)))))
}

// readsQuery reports whether a route reads its query, and no body.
func readsQuery(r web.Route) bool { return r.Method == http.MethodGet || r.Method == web.AnyMethod }

func (b *bounded) send(r web.Route, query, body string) (int, string) {
	b.t.Helper()
	at := b.url + b.paths.Replace(b.has.Replace(r.Path)) + query
	method := strings.Replace(r.Method, web.AnyMethod, http.MethodPost, 1)
	req := must(http.NewRequestWithContext(b.t.Context(), method, at, bytes.NewReader([]byte(body))))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(forwardauth.RootKeyHeader, b.root)
	if !r.Public {
		req.Header.Set("Authorization", "Bearer "+b.root)
	}
	res := must(http.DefaultClient.Do(req))
	defer func() { _ = res.Body.Close() }()
	return res.StatusCode, string(must(io.ReadAll(res.Body)))
}

// alsoNamed is what else an error may name in the place of a member.
var alsoNamed = map[string]string{
	"refillInterval": "duration", // which it is the older name of
}

// namesValue reports whether an answer names the value at a path, or the list that it is in.
func namesValue(answer string, path []string) bool {
	squeezed := strings.NewReplacer("_", "", " ", "").Replace(strings.ToLower(answer))
	for i, name := range path {
		last := i == len(path)-1 || path[i+1] == element
		if name != element && last && strings.Contains(squeezed, strings.NewReplacer("_", "").Replace(strings.ToLower(name))) {
			return true
		}
	}
	also := alsoNamed[path[len(path)-1]]
	return also != "" && strings.Contains(answer, also)
}

// otherReasons are what a value within its bounds may be refused for.
var otherReasons = []string{
	"group not found", "must be the cursor", "a SHA-256 digest is", // nothing of the sort is there
	"must be before end", "the time series has more", "a daily refill has no day", // it goes together with another
	"a key has at most", // with those that it has
}

// refusedFor reports whether an answer refuses the value at a path as one that can't be. What a
// proxy asks wrongly is not the fault of its client.
func refusedFor(status int, answer string, path []string) bool {
	wrong := status == http.StatusInternalServerError && strings.Contains(answer, string(authz.Misconfigured))
	return (wrong || status == http.StatusBadRequest || status == http.StatusUnprocessableEntity) && namesValue(answer, path)
}

// What the document says of a value is what the gateway does: just within each bound it is
// not refused for that, and the next one is, by its name.
func TestDescribedBoundsAreTheBounds(t *testing.T) {
	for _, r := range serveAll(nil, nil).Routes() {
		if r.Request != nil {
			t.Run(r.Method+r.Path, func(t *testing.T) { walkBounds(t, r) })
		}
	}
}

func walkBounds(t *testing.T, r web.Route) {
	b := newBounded(t)
	other := func(answer string) bool {
		return slices.ContainsFunc(otherReasons, func(reason string) bool { return strings.Contains(answer, reason) })
	}
	each := func(check func(where string, path []string, e edge)) {
		values(r.Request, nil, func(path []string, d schema.Description) {
			for _, e := range edges(plain(d)) {
				check(strings.Join(path, ".")+" "+e.keyword, path, e)
			}
		})
	}
	each(func(where string, path []string, e edge) { // they change nothing
		status, answer := b.request(r, path, e.outside)
		if readsQuery(r) && status == http.StatusRequestHeaderFieldsTooLarge {
			return // a list in a query that the gateway does not come to read
		}
		if !refusedFor(status, answer, path) || other(answer) {
			t.Errorf("%s: beyond it is answered %d %.300s", where, status, answer)
		}
	})
	each(func(where string, path []string, e edge) {
		if status, answer := b.request(r, path, e.inside); refusedFor(status, answer, path) && !other(answer) {
			t.Errorf("%s: within it is answered %d %.300s", where, status, answer)
		}
	})
}
