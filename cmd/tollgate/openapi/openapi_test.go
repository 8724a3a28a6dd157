package openapi_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"tollgate/cmd/tollgate/golden"
	"tollgate/cmd/tollgate/netbird"
	"tollgate/cmd/tollgate/openapi"
	"tollgate/cmd/tollgate/unkeyv1"
	"tollgate/cmd/tollgate/unkeyv2"
	"tollgate/cmd/tollgate/web"

	"github.com/getkin/kin-openapi/openapi3"
)

// everything is the router of the program.
func everything() *web.Router {
	v1, v2, setup := unkeyv1.New(nil, nil, nil), unkeyv2.New(nil, nil), netbird.New(nil, nil, netbird.Options{})
	r := web.NewRouter(v1.Dialect(), v2.Dialect(), setup.Dialect())
	r.Add(v1.Dialect(), v1.Routes()...)
	r.Add(v2.Dialect(), v2.Routes()...)
	r.Add(setup.Dialect(), setup.Routes()...)
	r.Add(v1.Dialect(), openapi.Route(r))
	return r
}

// The document that is served keeps the rules of OpenAPI 3.1, and has every route that
// answers, once, with what it takes and what it says when it refuses.
func TestServedDocument(t *testing.T) {
	router := everything()
	res, err := http.Get(golden.Listen(t, router) + openapi.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	document, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := document.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	if document.OpenAPI != "3.1.0" || res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("OpenAPI %s as %s", document.OpenAPI, res.Header.Get("Content-Type"))
	}
	names := map[string]bool{}
	for _, route := range router.Routes() {
		item := document.Paths.Value(route.Path)
		if item == nil || item.GetOperation(route.Method) == nil {
			t.Errorf("%s %s is not in the document", route.Method, route.Path)
			continue
		}
		describes(t, &route, item.GetOperation(route.Method))
		if names[route.Name] {
			t.Errorf("two operations are called %s", route.Name)
		}
		names[route.Name] = true
	}
	if n := strings.Count(string(text), `"operationId"`); n != len(router.Routes()) {
		t.Errorf("%d operations for %d routes", n, len(router.Routes()))
	}
}

func describes(t *testing.T, route *web.Route, o *openapi3.Operation) {
	t.Helper()
	failure := o.Responses.Default()
	if failure == nil || failure.Value.Content.Get("application/json").Schema.Value.Properties == nil {
		t.Errorf("%s does not say how it refuses", route.Path)
	}
	if open := o.Security == nil || len(*o.Security) == 0; open != route.Public {
		t.Errorf("%s: takes a root key: %v", route.Path, !open)
	}
	if body := o.RequestBody != nil; body != (route.Request != nil && route.Method != http.MethodGet) {
		t.Errorf("%s: takes a body: %v", route.Path, body)
	}
	if n := strings.Count(route.Path, "{"); len(o.Parameters) < n {
		t.Errorf("%s: %d parameters", route.Path, len(o.Parameters))
	}
}
