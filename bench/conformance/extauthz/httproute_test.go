package extauthz

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	corev1 "k8s.io/api/core/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"
)

// object is a document of a file.
type object struct {
	Kind, APIVersion string
	text             []byte
}

// objects reads the documents of a file.
func objects(t *testing.T, path string) (all []object) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range bytes.Split(text, []byte("\n---\n")) {
		o := object{text: document}
		if err := yaml.Unmarshal(document, &o); err != nil || o.Kind == "" {
			t.Fatalf("%s: %v in\n%s", path, err, document)
		}
		all = append(all, o)
	}
	return all
}

// types are those of the kinds that the files have.
var types = map[string]func() any{
	"HTTPRoute":        func() any { return new(gatewayv1.HTTPRoute) },
	"ReferenceGrant":   func() any { return new(gatewayv1.ReferenceGrant) },
	"BackendTLSPolicy": func() any { return new(gatewayv1.BackendTLSPolicy) },
	"Service":          func() any { return new(corev1.Service) },
}

// Each document has what its type has and nothing else, and what the published schema of the
// experimental channel allows.
func TestRoutesAreValid(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "deploy/proxies/gateway-api/*.yaml"))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		for _, o := range objects(t, file) {
			into := types[o.Kind]
			if into == nil {
				t.Errorf("%s: %s is not known here", file, o.Kind)
				continue
			}
			if err := yaml.UnmarshalStrict(o.text, into()); err != nil {
				t.Errorf("%s: %s: %v", file, o.Kind, err)
			}
			if o.Kind == "Service" { // no resource of the Gateway API
				continue
			}
			var value any
			if err := yaml.Unmarshal(o.text, &value); err != nil {
				t.Fatal(err)
			}
			if err := schema(t, o).Validate(value); err != nil {
				t.Errorf("%s: %s: %v", file, o.Kind, err)
			}
		}
	}
}

// The check is not blind: what is no member of a route, and a value that can't be, is refused.
func TestWrongRoutesAreNotValid(t *testing.T) {
	good := objects(t, filepath.Join(root, "deploy/proxies/gateway-api/httproute-http.yaml"))[0]
	for from, to := range map[string]string{
		"protocol: HTTP":             "protocol: HTTPS",
		"type: ExternalAuth":         "type: ExternalAuthorization",
		"port: 8080":                 "port: 808080",
		"path: /forward-auth/orders": "path: /forward-auth/orders\n              method: GET",
	} {
		bad := good
		if bad.text = bytes.Replace(good.text, []byte(from), []byte(to), 1); bytes.Equal(bad.text, good.text) {
			t.Fatalf("%s is not in the file", from)
		}
		var value any
		if err := yaml.Unmarshal(bad.text, &value); err != nil {
			t.Fatal(err)
		}
		if yaml.UnmarshalStrict(bad.text, new(gatewayv1.HTTPRoute)) == nil && schema(t, bad).Validate(value) == nil {
			t.Errorf("%s is valid", to)
		}
	}
}

// schema compiles what the Gateway API has published about a kind.
func schema(t *testing.T, o object) *jsonschema.Schema {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output()
	if err != nil {
		t.Fatal(err)
	}
	plural := map[string]string{"HTTPRoute": "httproutes", "ReferenceGrant": "referencegrants", "BackendTLSPolicy": "backendtlspolicies"}[o.Kind]
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "config/crd/experimental/gateway.networking.k8s.io_"+plural+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var definition struct {
		Spec struct {
			Versions []struct {
				Name   string
				Served bool
				Schema struct{ OpenAPIV3Schema json.RawMessage }
			}
		}
	}
	if err := yaml.Unmarshal(text, &definition); err != nil {
		t.Fatal(err)
	}
	for _, v := range definition.Spec.Versions {
		if v.Served && "gateway.networking.k8s.io/"+v.Name == o.APIVersion {
			return compile(t, v.Schema.OpenAPIV3Schema)
		}
	}
	t.Fatalf("%s of %s is not served", o.Kind, o.APIVersion)
	return nil
}

func compile(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", value); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}
