package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tollgate/verify/authz"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

const shipped = "../../../deploy/proxies"

type object = map[string]any

// schemas are the kinds that manifests may have.
func schemas(t *testing.T) openapi3.Schemas {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("testdata/schemas.json")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[*openapi3.Schema]bool{}
	for _, schema := range doc.Components.Schemas {
		strict(schema, seen)
	}
	return doc.Components.Schemas
}

// strict makes a field that an object does not have an error, as kubectl does with
// --validate=strict.
func strict(ref *openapi3.SchemaRef, seen map[*openapi3.Schema]bool) {
	if ref == nil || seen[ref.Value] {
		return
	}
	s := ref.Value
	seen[s] = true
	if len(s.Properties) > 0 && s.AdditionalProperties.Schema == nil {
		no := false
		s.AdditionalProperties.Has = &no
	}
	for _, property := range s.Properties {
		strict(property, seen)
	}
	for _, part := range s.AllOf {
		strict(part, seen)
	}
	strict(s.Items, seen)
	strict(s.AdditionalProperties.Schema, seen)
}

// kinds are where the schema of an object is.
var kinds = map[string]string{
	"v1 ConfigMap":                     "io.k8s.api.core.v1.ConfigMap",
	"networking.k8s.io/v1 Ingress":     "io.k8s.api.networking.v1.Ingress",
	"traefik.io/v1alpha1 Middleware":   "io.traefik.v1alpha1.Middleware",
	"traefik.io/v1alpha1 IngressRoute": "io.traefik.v1alpha1.IngressRoute",
}

// check returns what is wrong with an object.
func check(schemas openapi3.Schemas, o object) error {
	kind := fmt.Sprint(o["apiVersion"], " ", o["kind"])
	name, known := kinds[kind]
	if !known {
		return fmt.Errorf("%s: no such kind", kind)
	}
	if err := schemas[name].Value.VisitJSON(o); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	return nil
}

// documents reads a file of YAML documents, as JSON has them.
func documents(t *testing.T, name string) (all []object) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(shipped, name))
	if err != nil {
		t.Fatal(err)
	}
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var o any
		if err := decoder.Decode(&o); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text, err := json.Marshal(o)
		document := object{}
		if err == nil {
			err = json.Unmarshal(text, &document)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, document)
	}
}

var forKubernetes = []string{"traefik/kubernetes.yaml", "ingress/nginx.yaml", "ingress/traefik.yaml"}

func TestManifestsAreOfTheirKinds(t *testing.T) {
	schemas := schemas(t)
	for _, name := range forKubernetes {
		for _, o := range documents(t, name) {
			if err := check(schemas, o); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// A misspelt field, a field of another type and a kind that is not known are found.
func TestTheCheckIsStrict(t *testing.T) {
	schemas := schemas(t)
	for _, spoil := range []func(o object){
		func(o object) { o["kind"] = "Middlewares" },
		func(o object) { o["sepc"] = object{} },
		func(o object) { o["metadata"].(object)["lables"] = object{} },
		func(o object) { o["spec"].(object)["forwardAuth"].(object)["authResponseHeader"] = []any{"X-Key-Id"} },
		func(o object) { o["spec"].(object)["forwardAuth"].(object)["authResponseHeaders"] = "X-Key-Id" },
	} {
		o := documents(t, "traefik/kubernetes.yaml")[0]
		if err := check(schemas, o); err != nil {
			t.Fatal(err)
		}
		if spoil(o); check(schemas, o) == nil {
			t.Errorf("nothing is wrong with %v", o)
		}
	}
}

// middlewares are those of the recipe that runs, by their names, without the addresses.
func middlewares(t *testing.T) object {
	t.Helper()
	all := documents(t, "traefik/dynamic.yaml")[0]["http"].(object)["middlewares"].(object)
	delete(all["tollgate"].(object)["forwardAuth"].(object), "address")
	if len(all) != 2 {
		t.Fatalf("%d middlewares", len(all))
	}
	return all
}

const address = "http://tollgate:8080/forward-auth/orders"

func TestKubernetesHasWhatRuns(t *testing.T) {
	got := object{}
	var route object
	for _, o := range documents(t, "traefik/kubernetes.yaml") {
		if o["kind"] != "Middleware" {
			route = o["spec"].(object)["routes"].([]any)[0].(object)
			continue
		}
		spec := o["spec"].(object)
		if ask, ok := spec["forwardAuth"].(object); ok {
			if ask["address"] != address {
				t.Errorf("the address is %v", ask["address"])
			}
			delete(ask, "address")
		}
		got[o["metadata"].(object)["name"].(string)] = spec
	}
	if diff := cmp.Diff(middlewares(t), got); diff != "" {
		t.Error(diff)
	}
	want := []any{object{"name": "tollgate"}, object{"name": "tollgate-strip"}}
	if diff := cmp.Diff(want, route["middlewares"]); diff != "" {
		t.Error(diff)
	}
}

// Labels of Docker name what the file has, one level behind the other.
func TestDockerHasWhatRuns(t *testing.T) {
	const prefix = "traefik.http.middlewares."
	services := documents(t, "traefik/docker.yaml")[0]["services"].(object)
	got, want := map[string]string{}, map[string]string{prefix + "tollgate.forwardauth.address": address}
	for name, value := range services["application"].(object)["labels"].(object) {
		if strings.HasPrefix(name, prefix) {
			got[strings.ToLower(name)] = value.(string)
		}
	}
	flatten(want, strings.TrimSuffix(prefix, "."), middlewares(t))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// flatten writes a value as labels.
func flatten(labels map[string]string, name string, value any) {
	switch value := value.(type) {
	case object:
		for field, v := range value {
			flatten(labels, name+"."+strings.ToLower(field), v)
		}
	case []any:
		items := make([]string, len(value))
		for i, item := range value {
			items[i] = item.(string)
		}
		labels[name] = strings.Join(items, ",")
	default:
		labels[name] = fmt.Sprint(value)
	}
}

// Every recipe passes on all of the identity, by names that a proxy replaces.
func TestRecipesHaveTheWholeIdentity(t *testing.T) {
	for _, name := range []string{
		"nginx/tollgate/location.conf", "caddy/tollgate.caddy", "haproxy/tollgate.lua",
		"traefik/dynamic.yaml", "traefik/docker.yaml", "traefik/kubernetes.yaml", "ingress/nginx.yaml",
	} {
		text, err := os.ReadFile(filepath.Join(shipped, name))
		if err != nil {
			t.Fatal(err)
		}
		words := strings.FieldsFunc(strings.ToLower(string(text)), func(r rune) bool {
			return r != '-' && r != '_' && (r < 'a' || r > 'z')
		})
		for _, header := range authz.IdentityHeaders() {
			if !slices.Contains(words, strings.ToLower(header)) {
				t.Errorf("%s does not have %s", name, header)
			}
		}
	}
}
