// Package openapi describes what a web.Router serves in OpenAPI 3.1. The schemas
// are those of the Go types that requests are decoded into and answers are written
// from, so the document can't say something else than the server does.
package openapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
)

// Path is where the document is served.
const Path = "/openapi.json"

// object is a JSON object of the document.
type object = map[string]any

// Route serves the document of a router, itself included. It is written when it is
// first asked for: by then the table is complete.
func Route(r *web.Router) web.Route {
	document := sync.OnceValue(func() json.RawMessage { return Document(r) })
	return web.Route{
		Method: http.MethodGet, Path: Path, Name: "openapi", Public: true,
		Endpoint: web.Plain(func(*web.Call) (json.RawMessage, error) { return document(), nil }),
	}
}

// Document writes the document of a router.
func Document(r *web.Router) json.RawMessage {
	paths, tags := map[string]object{}, map[string]bool{}
	for _, route := range r.Routes() {
		path := inPath.ReplaceAllString(route.Path, "{$1}")
		item := paths[path]
		if item == nil {
			item = object{}
			paths[path] = item
		}
		item[method(&route)] = operation(&route)
		tags[route.Dialect().Name] = true
	}
	text, err := json.Marshal(object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Tollgate", "version": "1",
			"description": "Verifies API keys, in the words of Unkey's two generations and of NetBird's setup keys.",
		},
		"servers": []object{{"url": "/"}},
		"tags":    tagList(tags),
		"paths":   paths,
		"components": object{"securitySchemes": object{
			"rootKey": object{"type": "http", "scheme": "bearer", "description": "A root key, as `tollgate root create` prints it."},
		}},
	})
	if err != nil {
		panic("openapi: " + err.Error()) // a Description is always JSON
	}
	return text
}

// method is the key of a row's operation. A route of every method is described as one of GET:
// OpenAPI has no word for it, and operations must differ in their ids.
func method(r *web.Route) string {
	if r.Method == web.AnyMethod {
		return "get"
	}
	return strings.ToLower(r.Method)
}

func tagList(tags map[string]bool) []object {
	var list []object
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, object{"name": name})
	}
	return list
}

// operation describes a row of the table.
func operation(r *web.Route) object {
	out := object{
		"operationId": r.Name,
		"tags":        []string{r.Dialect().Name},
		"responses":   responses(r),
		"security":    []object{},
	}
	if !r.Public {
		out["security"] = []object{{"rootKey": []string{}}}
		out["description"] = "Needs " + rights(r.Needs) + "." + also(r.Also)
	}
	parameters := pathParameters(r.Path)
	switch {
	case r.Request == nil:
	case r.Method == http.MethodGet || r.Method == web.AnyMethod:
		parameters = append(parameters, queryParameters(r.Request)...)
	default:
		out["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": r.Request}}}
	}
	for _, h := range r.Headers {
		parameters = append(parameters, object{
			"name": h.Name, "in": "header", "required": false, "description": h.Description,
			"schema": object{"type": "string", "minLength": 1, "maxLength": h.MaxLength},
		})
	}
	if parameters != nil {
		out["parameters"] = parameters
	}
	return out
}

// rights puts what a row needs into words.
func rights(needs any) string {
	text := strings.Trim(fmt.Sprint(needs), "[]")
	return cmp.Or(strings.Join(strings.Fields(text), " and "), "a root key")
}

// also puts into words what some requests of a row need besides.
func also(needs any) string {
	text := strings.Trim(fmt.Sprint(needs), "[]")
	if needs == nil || text == "" {
		return ""
	}
	return " A request that makes use of them needs " + strings.Join(strings.Fields(text), ", ") + " besides."
}

func responses(r *web.Route) object {
	d := r.Dialect()
	failure := object{}
	for _, kind := range append([]string{"application/json"}, d.FailureTypes...) {
		failure[kind] = object{"schema": orAnything(d.Failure)}
	}
	out := object{"default": object{"description": "Refused, or failed.", "content": failure}}
	for _, status := range r.Answers {
		out[strconv.Itoa(status)] = answer(r, status)
	}
	if len(r.Answers) == 0 {
		out["200"] = answer(r, http.StatusOK)
	}
	return out
}

// answer describes what an operation says with a status. One of a failure may also
// be the dialect's.
func answer(r *web.Route, status int) object {
	if r.Response == nil && status < http.StatusBadRequest {
		return object{"description": http.StatusText(status) + ", without a body."}
	}
	said := orAnything(r.Response)
	if status >= http.StatusBadRequest {
		said = schema.Description{"anyOf": []schema.Description{said, orAnything(r.Dialect().Failure)}}
	}
	return object{"description": http.StatusText(status) + ".", "content": object{"application/json": object{"schema": said}}}
}

func orAnything(d schema.Description) schema.Description {
	if d == nil {
		return schema.Description{}
	}
	return d
}

var inPath = regexp.MustCompile(`\{([^}:]+)[^}]*\}`)

func pathParameters(path string) []object {
	var all []object
	for _, match := range inPath.FindAllStringSubmatch(path, -1) {
		all = append(all, object{"name": match[1], "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	return all
}

// queryParameters are the members of what a query string is decoded into.
func queryParameters(request schema.Description) []object {
	properties, _ := request["properties"].(map[string]any)
	required, _ := request["required"].([]string)
	var all []object
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		all = append(all, object{
			"name": name, "in": "query", "required": slices.Contains(required, name), "schema": properties[name],
		})
	}
	return all
}
