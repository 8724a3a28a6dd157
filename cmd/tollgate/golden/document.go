package golden

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"tollgate/cmd/tollgate/openapi"
	"tollgate/cmd/tollgate/web"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// document is the OpenAPI document of a router, as a library reads it that shares
// nothing with the code which wrote it.
type document struct{ routes routers.Router }

func documentOf(t *testing.T, router *web.Router) *document {
	t.Helper()
	loaded, err := openapi3.NewLoader().LoadFromData(closed(t, openapi.Document(router)))
	if err != nil {
		t.Fatal("the OpenAPI document can't be read: ", err)
	}
	if err := loaded.Validate(t.Context()); err != nil {
		t.Fatal("the OpenAPI document breaks the rules: ", err)
	}
	loaded.Servers = nil // the router matches no server that is a path alone
	routes, err := legacy.NewRouter(loaded)
	if err != nil {
		t.Fatal(err)
	}
	return &document{routes}
}

// closed refuses members that the document does not name. For clients it stays
// open, so that an answer may gain a member.
func closed(t *testing.T, text []byte) []byte {
	t.Helper()
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	closeObjects(tree)
	text, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func closeObjects(tree any) {
	switch node := tree.(type) {
	case []any:
		for _, item := range node {
			closeObjects(item)
		}
	case map[string]any:
		for name, item := range node {
			if name != "requestBody" {
				closeObjects(item)
			}
		}
		_, isSchema := node["properties"].(map[string]any)
		if _, said := node["additionalProperties"]; isSchema && !said && node["type"] == "object" {
			node["additionalProperties"] = false
		}
	}
}

// check holds an answer against the document, and the request if it was granted.
// What is on no route is not in it.
func (d *document) check(req *http.Request, body string, res *http.Response, got []byte) error {
	route, params, err := d.routes.FindRoute(req)
	switch status := res.StatusCode; {
	case err != nil && (status == http.StatusNotFound || status == http.StatusMethodNotAllowed):
		return nil
	case err != nil:
		return fmt.Errorf("%s %s is not in the document: %v", req.Method, req.URL.Path, err)
	}
	req = req.Clone(req.Context())
	req.Body = io.NopCloser(strings.NewReader(body))
	in := &openapi3filter.RequestValidationInput{
		Request: req, Route: route, PathParams: params,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	if res.StatusCode < http.StatusMultipleChoices {
		if err := openapi3filter.ValidateRequest(req.Context(), in); err != nil {
			return fmt.Errorf("%s %s was granted, but the document refuses it: %v\n%s", req.Method, req.URL.Path, err, body)
		}
	}
	err = openapi3filter.ValidateResponse(req.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: res.StatusCode, Header: res.Header, Options: in.Options,
		Body: io.NopCloser(bytes.NewReader(got)),
	})
	if err != nil {
		return fmt.Errorf("%s %s answered %d in a way that is not in the document: %v\n%s", req.Method, req.URL.Path, res.StatusCode, err, got)
	}
	return nil
}
