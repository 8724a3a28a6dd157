package main

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/cmd/tollgate/golden"
	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/setupkeys"
	"tollgate/keys/store"
	"tollgate/verify"
)

// reference is what each dialect's reference names: the rights that an endpoint needs, every
// one of them, and behind "+" those that some of its requests need besides. There is one
// exception: v1's updateKey, which upstream asks for update_key alone.
var reference = map[string]string{
	"POST /v1/apis.createApi":               "api.create_api",
	"GET /v1/apis.getApi":                   "api.read_api",
	"GET /v1/apis.listKeys":                 "api.read_key api.read_api + api.decrypt_key",
	"GET /v1/apis/{apiId}/keys":             "api.read_key api.read_api",
	"POST /v1/apis.deleteApi":               "api.delete_api",
	"POST /v1/apis.deleteKeys":              "api.delete_key",
	"POST /v1/keys":                         "api.create_key",
	"POST /v1/keys.createKey":               "api.create_key + api.encrypt_key rbac.create_permission rbac.create_role",
	"GET /v1/keys.getKey":                   "api.read_key + api.decrypt_key",
	"POST /v1/keys.whoami":                  "api.read_key",
	"GET /v1/keys.getVerifications":         "api.read_key",
	"POST /v1/keys.updateRemaining":         "api.update_key",
	"POST /v1/keys.deleteKey":               "api.delete_key",
	"POST /v1/keys.addPermissions":          "rbac.add_permission_to_key + rbac.create_permission",
	"POST /v1/keys.removePermissions":       "rbac.remove_permission_from_key",
	"POST /v1/keys.setPermissions":          "rbac.add_permission_to_key rbac.remove_permission_from_key + rbac.create_permission",
	"POST /v1/keys.addRoles":                "rbac.add_role_to_key + rbac.create_role",
	"POST /v1/keys.removeRoles":             "rbac.remove_role_from_key",
	"POST /v1/keys.setRoles":                "rbac.add_role_to_key rbac.remove_role_from_key + rbac.create_role",
	"POST /v1/migrations.createKeys":        "api.create_key + api.encrypt_key",
	"POST /v1/migrations.enqueueKeys":       "api.create_key + api.encrypt_key",
	"GET /v1/analytics.getVerifications":    "api.read_api",
	"POST /v1/ratelimits.limit":             "ratelimit.limit + ratelimit.create_namespace",
	"POST /v1/ratelimits.setOverride":       "ratelimit.set_override",
	"GET /v1/ratelimits.getOverride":        "ratelimit.read_override",
	"GET /v1/ratelimits.listOverrides":      "ratelimit.read_override",
	"POST /v1/ratelimits.deleteOverride":    "ratelimit.delete_override",
	"POST /v1/identities.createIdentity":    "identity.create_identity",
	"GET /v1/identities.getIdentity":        "identity.read_identity",
	"GET /v1/identities.listIdentities":     "identity.read_identity",
	"POST /v1/identities.updateIdentity":    "identity.update_identity",
	"POST /v1/identities.deleteIdentity":    "identity.delete_identity",
	"POST /v1/permissions.createPermission": "rbac.create_permission",
	"GET /v1/permissions.getPermission":     "rbac.read_permission",
	"GET /v1/permissions.listPermissions":   "rbac.read_permission",
	"POST /v1/permissions.deletePermission": "rbac.delete_permission",
	"POST /v1/permissions.createRole":       "rbac.create_role",
	"GET /v1/permissions.getRole":           "rbac.read_role",
	"GET /v1/permissions.listRoles":         "rbac.read_role",
	"POST /v1/permissions.deleteRole":       "rbac.delete_role",
	"POST /v1/keys.updateKey": "api.update_key + rbac.add_role_to_key rbac.remove_role_from_key rbac.create_role" +
		" rbac.add_permission_to_key rbac.remove_permission_from_key rbac.create_permission",

	"POST /v2/keys.verifyKey":                 "api.verify_key",
	"POST /v2/keys.createKey":                 "api.create_key + api.encrypt_key",
	"POST /v2/keys.migrateKeys":               "api.create_key",
	"POST /v2/keys.getKey":                    "api.read_key + api.decrypt_key",
	"POST /v2/keys.whoami":                    "api.read_key",
	"POST /v2/keys.updateKey":                 "api.update_key",
	"POST /v2/keys.updateCredits":             "api.update_key",
	"POST /v2/keys.rerollKey":                 "api.create_key + api.encrypt_key",
	"POST /v2/keys.deleteKey":                 "api.delete_key",
	"POST /v2/keys.addPermissions":            "api.update_key rbac.add_permission_to_key + rbac.create_permission",
	"POST /v2/keys.setPermissions":            "api.update_key rbac.add_permission_to_key rbac.remove_permission_from_key + rbac.create_permission",
	"POST /v2/keys.removePermissions":         "api.update_key rbac.remove_permission_from_key",
	"POST /v2/keys.addRoles":                  "api.update_key rbac.add_role_to_key",
	"POST /v2/keys.setRoles":                  "api.update_key",
	"POST /v2/keys.removeRoles":               "api.update_key",
	"POST /v2/apis.createApi":                 "api.create_api",
	"POST /v2/apis.getApi":                    "api.read_api",
	"POST /v2/apis.deleteApi":                 "api.delete_api",
	"POST /v2/apis.listKeys":                  "api.read_key api.read_api + api.decrypt_key",
	"POST /v2/analytics.getVerifications":     "api.read_analytics",
	"POST /v2/analytics.getRatelimits":        "api.read_analytics",
	"POST /v2/identities.createIdentity":      "identity.create_identity",
	"POST /v2/identities.getIdentity":         "identity.read_identity",
	"POST /v2/identities.listIdentities":      "identity.read_identity",
	"POST /v2/identities.updateIdentity":      "identity.update_identity",
	"POST /v2/identities.deleteIdentity":      "identity.delete_identity",
	"POST /v2/permissions.createPermission":   "rbac.create_permission",
	"POST /v2/permissions.getPermission":      "rbac.read_permission",
	"POST /v2/permissions.listPermissions":    "rbac.read_permission",
	"POST /v2/permissions.deletePermission":   "rbac.delete_permission",
	"POST /v2/permissions.createRole":         "rbac.create_role + rbac.add_permission_to_role rbac.create_permission",
	"POST /v2/permissions.getRole":            "rbac.read_role",
	"POST /v2/permissions.listRoles":          "rbac.read_role",
	"POST /v2/permissions.deleteRole":         "rbac.delete_role",
	"POST /v2/permissions.setRolePermissions": "rbac.add_permission_to_role rbac.remove_permission_from_role + rbac.create_permission",
	"POST /v2/audit.listEntries":              "audit.read", // Tollgate's own
	"POST /v2/ratelimit.limit":                "ratelimit.limit + ratelimit.create_namespace",
	"POST /v2/ratelimit.multiLimit":           "ratelimit.limit + ratelimit.create_namespace",
	"POST /v2/ratelimit.setOverride":          "ratelimit.set_override",
	"POST /v2/ratelimit.getOverride":          "ratelimit.read_override",
	"POST /v2/ratelimit.listOverrides":        "ratelimit.read_override",
	"POST /v2/ratelimit.deleteOverride":       "ratelimit.delete_override",

	"GET /api/setup-keys":                     "setup_keys.read",
	"POST /api/setup-keys":                    "setup_keys.create",
	"GET /api/setup-keys/{keyId}":             "setup_keys.read",
	"PUT /api/setup-keys/{keyId}":             "setup_keys.update",
	"DELETE /api/setup-keys/{keyId}":          "setup_keys.delete",
	"POST /api/setup-keys/redeem":             "setup_keys.redeem",
	"GET /api/setup-keys/{keyId}/redemptions": "setup_keys.read",
	"GET /api/groups":                         "setup_keys.read",
	"POST /api/groups":                        "setup_keys.create",
	"GET /api/groups/{groupId}":               "setup_keys.read",
	"PUT /api/groups/{groupId}":               "setup_keys.update",
	"DELETE /api/groups/{groupId}":            "setup_keys.delete",
}

func rightsOf(column any) []string {
	all, _ := column.([]keys.Right)
	names := make([]string, len(all))
	for i, r := range all {
		names[i] = string(r)
	}
	slices.Sort(names)
	return names
}

// Every endpoint needs exactly the rights that its dialect's reference names.
func TestRightsAreThoseOfTheReference(t *testing.T) {
	seen := 0
	for _, r := range serveAll(nil, nil).Routes() {
		said, ok := reference[r.Method+" "+r.Path]
		if r.Public {
			continue
		}
		seen++
		if !ok {
			t.Errorf("%s %s is not in the reference here", r.Method, r.Path)
			continue
		}
		needs, also, _ := strings.Cut(said, " + ")
		for _, column := range []struct{ want, got []string }{
			{strings.Fields(needs), rightsOf(r.Needs)}, {strings.Fields(also), rightsOf(r.Also)},
		} {
			slices.Sort(column.want)
			if !slices.Equal(column.want, column.got) {
				t.Errorf("%s %s needs %v, the reference says %v", r.Method, r.Path, column.got, column.want)
			}
		}
	}
	if seen != len(reference) {
		t.Errorf("%d routes need rights, the reference has %d", seen, len(reference))
	}
}

// furtherUse is a request that makes use of one of the rights that a route needs besides.
type furtherUse struct {
	right, with string
	given       []keys.Right // other rights it makes use of
	hashed      bool         // without the right it is done, and the hash alone is kept
}

var furtherUses = map[string][]furtherUse{
	"POST /v1/keys.createKey": {
		{right: "api.encrypt_key", with: `{"apiId":"{api}","recoverable":true}`},
		{right: "rbac.create_permission", with: `{"apiId":"{api}","permissions":["new"]}`},
		{right: "rbac.create_role", with: `{"apiId":"{api}","roles":["new"]}`},
	},
	"GET /v1/keys.getKey":   {{right: "api.decrypt_key", with: `keyId={key}&decrypt=true`}},
	"GET /v1/apis.listKeys": {{right: "api.decrypt_key", with: `apiId={api}&decrypt=true`}},
	"POST /v1/keys.updateKey": {
		{right: "rbac.add_role_to_key", with: `{"keyId":"{key}","roles":[{"id":"{role}"},{"id":"{role 2}"}]}`},
		{right: "rbac.remove_role_from_key", with: `{"keyId":"{key}","roles":[]}`},
		{right: "rbac.create_role", with: `{"keyId":"{key}","roles":[{"id":"{role}"},{"name":"new","create":true}]}`, given: []keys.Right{keys.AddRoleToKey}},
		{right: "rbac.add_permission_to_key", with: `{"keyId":"{key}","permissions":[{"id":"{permission}"},{"id":"{permission 2}"}]}`},
		{right: "rbac.remove_permission_from_key", with: `{"keyId":"{key}","permissions":[]}`},
		{right: "rbac.create_permission", with: `{"keyId":"{key}","permissions":[{"id":"{permission}"},{"name":"new","create":true}]}`, given: []keys.Right{keys.AddPermissionToKey}},
	},
	"POST /v1/keys.addPermissions":    {{right: "rbac.create_permission", with: `{"keyId":"{key}","permissions":[{"name":"new","create":true}]}`}},
	"POST /v1/keys.setPermissions":    {{right: "rbac.create_permission", with: `{"keyId":"{key}","permissions":[{"name":"new","create":true}]}`}},
	"POST /v1/keys.addRoles":          {{right: "rbac.create_role", with: `{"keyId":"{key}","roles":[{"name":"new","create":true}]}`}},
	"POST /v1/keys.setRoles":          {{right: "rbac.create_role", with: `{"keyId":"{key}","roles":[{"name":"new","create":true}]}`}},
	"POST /v1/migrations.createKeys":  {{right: "api.encrypt_key", with: `[{"apiId":"{api}","plaintext":"0123456789abcdef"}]`, hashed: true}},
	"POST /v1/migrations.enqueueKeys": {{right: "api.encrypt_key", with: `{"migrationId":"m","apiId":"{api}","keys":[{"plaintext":"0123456789abcdef"}]}`, hashed: true}},
	"POST /v1/ratelimits.limit":       {{right: "ratelimit.create_namespace", with: `{"namespace":"new","identifier":"user","limit":10,"duration":1000}`}},

	"POST /v2/keys.createKey":      {{right: "api.encrypt_key", with: `{"apiId":"{api}","recoverable":true}`}},
	"POST /v2/keys.getKey":         {{right: "api.decrypt_key", with: `{"keyId":"{key}","decrypt":true}`}},
	"POST /v2/keys.rerollKey":      {{right: "api.encrypt_key", with: `{"keyId":"{sealed}","expiration":0}`}},
	"POST /v2/keys.addPermissions": {{right: "rbac.create_permission", with: `{"keyId":"{key}","permissions":["new"]}`}},
	"POST /v2/keys.setPermissions": {{right: "rbac.create_permission", with: `{"keyId":"{key}","permissions":["new"]}`}},
	"POST /v2/apis.listKeys":       {{right: "api.decrypt_key", with: `{"apiId":"{api}","decrypt":true}`}},
	"POST /v2/permissions.createRole": {
		{right: "rbac.add_permission_to_role", with: `{"name":"new","permissions":["docs.read"]}`},
		{right: "rbac.create_permission", with: `{"name":"new","permissions":["new"]}`, given: []keys.Right{keys.AddPermissionToRole}},
	},
	"POST /v2/permissions.setRolePermissions": {{right: "rbac.create_permission", with: `{"roleId":"{role}","permissions":["new"]}`}},
	"POST /v2/ratelimit.limit":                {{right: "ratelimit.create_namespace", with: `{"namespace":"new","identifier":"user","limit":10,"duration":1000}`}},
	"POST /v2/ratelimit.multiLimit":           {{right: "ratelimit.create_namespace", with: `[{"namespace":"new","identifier":"user","limit":10,"duration":1000}]`}},
}

// A request that makes use of a further right is refused without it, changes nothing and
// is told which it is; with it, it is granted. A plaintext that may not be kept is hashed.
func TestFurtherRights(t *testing.T) {
	for _, r := range unkeyRoutes() {
		name := r.Method + " " + r.Path
		made := []string{}
		for _, u := range furtherUses[name] {
			made = append(made, u.right)
			t.Run(name+" "+u.right, func(t *testing.T) { walkUse(t, r, u) })
		}
		if slices.Sort(made); !slices.Equal(made, rightsOf(r.Also)) {
			t.Errorf("%s: uses of %v, and its row has %v", name, made, rightsOf(r.Also))
		}
	}
}

func walkUse(t *testing.T, r web.Route, u furtherUse) {
	w := newTown(t)
	needs, _ := r.Needs.([]keys.Right)
	lacking := grantsOf(slices.Concat(needs, u.given))
	having := append(slices.Clone(lacking), grantsOf([]keys.Right{keys.Right(u.right)})...)
	if u.hashed {
		before := w.sealed()
		if status, body := w.ask(r, visit{with: u.with}, w.root(w.ws, lacking...)); status/100 != 2 || w.sealed() != before {
			t.Fatalf("without %s: %d %s, and %d plaintexts are kept", u.right, status, body, w.sealed()-before)
		}
		u.with = strings.ReplaceAll(u.with, "0123456789abcdef", "another0123456789")
		if status, body := w.ask(r, visit{with: u.with}, w.root(w.ws, having...)); status/100 != 2 || w.sealed() != before+1 {
			t.Errorf("with %s: %d %s, and %d plaintexts are kept", u.right, status, body, w.sealed()-before)
		}
		return
	}
	rootKey := w.root(w.ws, lacking...)
	before := w.stored()
	status, body := w.ask(r, visit{with: u.with}, rootKey)
	if named := grantsOf([]keys.Right{keys.Right(u.right)})[0]; u.right == "ratelimit.create_namespace" {
		if status != http.StatusNotFound {
			t.Errorf("without %s: %d %s", u.right, status, body)
		}
	} else if status != http.StatusForbidden || !strings.Contains(body, named) {
		t.Errorf("without %s: %d %s", u.right, status, body)
	}
	if !maps.Equal(before, w.stored()) {
		t.Errorf("without %s it changed something", u.right)
	}
	if status, body := w.ask(r, visit{with: u.with}, w.root(w.ws, having...)); status/100 != 2 {
		t.Errorf("with %s: %d %s", u.right, status, body)
	}
}

// sealed counts the keys of the town's API whose plaintext is kept.
func (w *town) sealed() (n int) {
	w.t.Helper()
	page := must(w.store.Keys(w.t.Context(), keys.Operator(w.ws).As(), store.KeyQuery{APIID: w.has.Replace("{api}"), Limit: store.MaxPage}))
	for _, d := range page.Keys {
		if len(d.Key.Sealed) > 0 {
			n++
		}
	}
	return n
}

// No customer key is ever a caller, whatever permissions it has, nor is a setup key: each
// endpoint that needs a root key refuses it as it refuses any key that is none, and does
// nothing. Where none is needed, one in the header changes nothing.
func TestNoCustomerKeyIsACaller(t *testing.T) {
	w := newTown(t)
	a := keys.Operator(w.ws).As()
	var rights []keys.Ref
	for _, grant := range []string{keys.Everything, "api.*.create_key", "api.*.verify_key", "setup_keys.*.read"} {
		rights = append(rights, keys.Ref{Name: grant, Missing: catalog.CreateFreely})
	}
	customer := must(w.store.CreateKey(t.Context(), a, keys.KeyDraft{APIID: w.has.Replace("{api}"), Permissions: rights})).Secret
	_, setup, err := setupkeys.New(w.store).CreateSetupKey(t.Context(), a, setupkeys.SetupKeyDraft{Name: "n", Type: setupkeys.SetupReusable})
	if err != nil {
		t.Fatal(err)
	}
	w.url = golden.Listen(t, serveAll(w.store, verify.New(w.store, verify.Options{Timeout: 10 * time.Second})))
	refused := map[string]int{"unkey v1": http.StatusForbidden, "unkey v2": http.StatusUnauthorized, "netbird": http.StatusUnauthorized}
	for _, r := range serveAll(nil, nil).Routes() {
		v := visits[r.Method+" "+r.Path]
		for who, bearer := range map[string]string{"a customer's key": customer.Reveal(), "a setup key": setup.Reveal()} {
			if !r.Public {
				w.refused(who, r, v, bearer, refused[r.Dialect().Name])
				continue
			}
			v.with = cmp.Or(v.with, `{"key":"{secret}","remaining":{"cost":0}}`)
			without, _ := w.ask(r, v, "")
			if with, _ := w.ask(r, v, bearer); with != without {
				t.Errorf("%s %s answers %d without and %d with %s", r.Method, r.Path, without, with, who)
			}
		}
	}
}
