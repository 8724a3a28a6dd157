package unkeyv1_test

import (
	"net/http"
	"strings"
	"testing"

	"tollgate/keys"
)

// asked is, of every endpoint that asks the store, a query or a body that is as it
// should be.
var asked = []struct{ method, path, with string }{
	{"POST", "/v1/apis.createApi", `{"name":"golden"}`},
	{"GET", "/v1/apis.getApi", `apiId=api_1`},
	{"GET", "/v1/apis.listKeys", `apiId=api_1`},
	{"POST", "/v1/apis.deleteApi", `{"apiId":"api_1"}`},
	{"POST", "/v1/apis.deleteKeys", `{"apiId":"api_1"}`},
	{"POST", "/v1/keys.createKey", `{"apiId":"api_1"}`},
	{"POST", "/v1/keys.verifyKey", `{"key":"secret"}`},
	{"GET", "/v1/keys.getKey", `keyId=key_1`},
	{"POST", "/v1/keys.whoami", `{"key":"secret"}`},
	{"POST", "/v1/keys.updateKey", `{"keyId":"key_1","name":"other"}`},
	{"POST", "/v1/keys.updateRemaining", `{"keyId":"key_1","op":"set","value":1}`},
	{"POST", "/v1/keys.deleteKey", `{"keyId":"key_1"}`},
	{"POST", "/v1/keys.addPermissions", `{"keyId":"key_1","permissions":[{"name":"p"}]}`},
	{"POST", "/v1/keys.removePermissions", `{"keyId":"key_1","permissions":[{"name":"p"}]}`},
	{"POST", "/v1/keys.setPermissions", `{"keyId":"key_1","permissions":[{"name":"p"}]}`},
	{"POST", "/v1/keys.addRoles", `{"keyId":"key_1","roles":[{"name":"r"}]}`},
	{"POST", "/v1/keys.removeRoles", `{"keyId":"key_1","roles":[{"name":"r"}]}`},
	{"POST", "/v1/keys.setRoles", `{"keyId":"key_1","roles":[{"name":"r"}]}`},
	{"GET", "/v1/keys.getVerifications", `keyId=key_1`},
	{"GET", "/v1/analytics.getVerifications", `apiId=api_1&start=1`},
	{"POST", "/v1/ratelimits.limit", `{"identifier":"ada","limit":1,"duration":1000}`},
	{"POST", "/v1/ratelimits.setOverride", `{"namespaceName":"n","identifier":"ada","limit":1,"duration":1000}`},
	{"GET", "/v1/ratelimits.getOverride", `namespaceName=n&identifier=ada`},
	{"GET", "/v1/ratelimits.listOverrides", `namespaceName=n`},
	{"POST", "/v1/ratelimits.deleteOverride", `{"namespaceName":"n","identifier":"ada"}`},
	{"POST", "/v1/identities.createIdentity", `{"externalId":"ada"}`},
	{"GET", "/v1/identities.getIdentity", `externalId=ada`},
	{"GET", "/v1/identities.listIdentities", ``},
	{"POST", "/v1/identities.updateIdentity", `{"externalId":"ada","meta":{}}`},
	{"POST", "/v1/identities.deleteIdentity", `{"identityId":"id_1"}`},
	{"POST", "/v1/permissions.createPermission", `{"name":"docs.read"}`},
	{"GET", "/v1/permissions.getPermission", `permissionId=perm_1`},
	{"GET", "/v1/permissions.listPermissions", ``},
	{"POST", "/v1/permissions.deletePermission", `{"permissionId":"perm_1"}`},
	{"POST", "/v1/permissions.createRole", `{"name":"reader"}`},
	{"GET", "/v1/permissions.getRole", `roleId=role_1`},
	{"GET", "/v1/permissions.listRoles", ``},
	{"POST", "/v1/permissions.deleteRole", `{"roleId":"role_1"}`},
	{"POST", "/v1/migrations.createKeys", `[{"apiId":"api_1","plaintext":"0123456789abcdef"}]`},
	{"POST", "/v1/migrations.enqueueKeys", `{"migrationId":"m","apiId":"api_1","keys":[{"plaintext":"0123456789abcdef"}]}`},
	{"POST", "/v1/keys", `{"apiId":"api_1"}`},
	{"POST", "/v1/keys/verify", `{"key":"secret"}`},
	{"GET", "/v1/apis/{apiId}/keys", ``},
}

// While the store is gone each endpoint says so, in v1's shape and without a word of
// where the store is, and says when to ask again.
func TestGoldenUnavailable(t *testing.T) {
	g := newGolden(t, "unavailable")
	api, err := g.Store.CreateAPI(t.Context(), keys.Operator(g.Workspace).As(), "golden")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Store.Redis().Close(); err != nil {
		t.Fatal(err)
	}
	reached := map[string]bool{"GET /v1/liveness": true}
	for _, one := range asked {
		path, body := strings.Replace(one.path, "{apiId}", api.ID, 1), one.with
		if one.method == http.MethodGet && one.with != "" {
			path, body = path+"?"+one.with, ""
		}
		a := g.Exchange(one.path, one.method, path, body)
		if a.Status != http.StatusServiceUnavailable || a.Text("error.code") != "SERVICE_UNAVAILABLE" {
			t.Errorf("%s: %d %v", one.path, a.Status, a.Body)
		}
		if a.Header.Get("Retry-After") == "" {
			t.Errorf("%s does not say when to ask again", one.path)
		}
		reached[one.method+" "+one.path] = true
	}
	for _, r := range serveV1(g.Store, nil).Routes() {
		if !reached[r.Method+" "+r.Path] {
			t.Errorf("%s %s was not asked", r.Method, r.Path)
		}
	}
	if status, body := g.Send(http.MethodGet, "/v1/liveness", ""); status != http.StatusOK {
		t.Errorf("liveness: %d %s", status, body)
	}
}
