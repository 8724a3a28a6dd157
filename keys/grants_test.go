package keys

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// Every right that has a name here is in the one table.
func TestRightsAreInTheTable(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "access.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Type == nil {
			return true
		}
		if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != "Right" {
			return true
		}
		named++
		value := spec.Values[0].(*ast.BasicLit).Value
		if _, known := rights[Right(strings.Trim(value, `"`))]; !known {
			t.Errorf("%s is not in the table", spec.Names[0].Name)
		}
		return true
	})
	if named != len(rights) {
		t.Errorf("%d rights have a name, the table has %d", named, len(rights))
	}
}

// What is granted is a right: what is unknown, misspelt, padded or empty is refused, with
// the nearest right named.
func TestGrantsAreRights(t *testing.T) {
	for _, grant := range append(KnownGrants(), "api.api_1.read_key", "ratelimit.rlns_1.limit", "setup_keys.cs0q3lrd.read") {
		if err := CheckGrants([]string{grant}); err != nil {
			t.Errorf("%s: %v", grant, err)
		}
	}
	for grant, near := range map[string]string{
		"":                               "*",
		"api.*.create_keys":              "api.*.create_key",
		"api.*.craete_key":               "api.*.create_key",
		" api.*.create_key":              "api.*.create_key",
		"api.*.create_key\n":             "api.*.create_key",
		"API.*.CREATE_KEY":               "api.*.create_key",
		"create_api":                     "api.*.create_api",
		"api.create_key":                 "api.*.create_key",
		"apis.*.read_key":                "api.*.read_key",
		"api.*.*":                        "api.*.",
		"*.*.create_key":                 "api.*.create_key",
		"api.a b.read_key":               "api.*.read_key",
		"rbac.*.add_role":                "rbac.*.read_role",
		"rbac.key_1.add_role_to_key":     "rbac.*.add_role_to_key",
		"identity.id_1.read_identity":    "identity.*.read_identity",
		"api.api_1.create_api":           "api.*.create_api",
		"setup_keys.*.reed":              "setup_keys.*.read",
		"ratelimits.*.limit":             "ratelimit.*.limit",
		"**":                             "audit.*.read",
		strings.Repeat("x", 1<<20):       "did you mean",
		"unkey:v1:ws:keyspaces/*/keys/*": "did you mean",
	} {
		err := CheckGrants([]string{Everything, grant})
		if err == nil || AsError(err).Kind != KindInvalid || !strings.Contains(err.Error(), near) {
			t.Errorf("%.40q: %v, want %s named", grant, err, near)
		}
		if len(err.Error()) > 1000 {
			t.Errorf("%.40q is answered with %d bytes", grant, len(err.Error()))
		}
	}
	if CheckGrants(nil) == nil {
		t.Error("no grant at all is every right")
	}
}
