package unkeyv2go

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"tollgate/bench/conformance/suite"

	"github.com/unkeyed/sdks/api/go/v2/models/components"
)

type (
	draft  = components.V2KeysCreateKeyRequestBody
	asked  = components.V2KeysVerifyKeyRequestBody
	limits = []components.RatelimitRequest
)

func TestAPIs(tt *testing.T) {
	t := newTalk(tt)
	id := t.api()
	read, err := t.Apis.GetAPI(t.Context(), components.V2ApisGetAPIRequestBody{APIID: id})
	t.same(ok(t, read, err).V2ApisGetAPIResponseBody.Data, map[string]any{"id": id, "name": "conformance"})
	made := t.key(draft{APIID: id})
	var seen []string
	page, err := t.Apis.ListKeys(t.Context(), components.V2ApisListKeysRequestBody{APIID: id, Limit: p[int64](1)})
	for ; page != nil; page, err = page.Next() {
		for _, k := range ok(t, page, err).V2ApisListKeysResponseBody.Data {
			seen = append(seen, k.KeyID)
		}
	}
	t.same(seen, []string{made.KeyID})
	gone, err := t.Apis.DeleteAPI(t.Context(), components.V2ApisDeleteAPIRequestBody{APIID: id})
	ok(t, gone, err)
	t.code(components.CodeNotFound, asked{Key: made.Key})
}

func TestKey(tt *testing.T) {
	t := newTalk(tt)
	user := unique("user")
	made := t.key(draft{
		Prefix: p("my_app"), Name: p("n"), ExternalID: &user, Meta: map[string]any{"plan": "pro"}, Permissions: []string{"docs.read"},
		Expires:    p(time.Now().Add(time.Hour).UnixMilli()),
		Credits:    &components.KeyCreditsData{Remaining: p[int64](10), Refill: &components.KeyCreditsRefill{Interval: "monthly", Amount: 10, RefillDay: p[int64](31)}},
		Ratelimits: limits{{Name: "requests", Limit: 3, Duration: month, AutoApply: p(true)}},
	})
	res, err := t.Keys.GetKey(t.Context(), components.V2KeysGetKeyRequestBody{KeyID: made.KeyID})
	read := ok(t, res, err).V2KeysGetKeyResponseBody.Data
	who, err := t.Keys.Whoami(t.Context(), components.V2KeysWhoamiRequestBody{Key: made.Key})
	t.same(ok(t, who, err).V2KeysWhoamiResponseBody.Data, read)
	if !strings.HasPrefix(made.Key, read.Start) || *read.Credits.Remaining != 10 || read.Identity.ExternalID != user {
		t.Errorf("%+v", read)
	}
	got := t.code(components.CodeValid, asked{Key: made.Key, Permissions: p("docs.read or nope"), Credits: &components.KeysVerifyKeyCredits{Cost: 4}})
	if *got.Credits != 6 || got.Ratelimits[0].Remaining != 2 || got.Ratelimits[0].Exceeded {
		t.Errorf("%+v", got)
	}
	t.code(components.CodeInsufficientPermissions, asked{Key: made.Key, Permissions: p("nope")})
	t.code(components.CodeUsageExceeded, asked{Key: made.Key, Credits: &components.KeysVerifyKeyCredits{Cost: 7}})
	t.code(components.CodeRateLimited, asked{Key: made.Key, Ratelimits: []components.KeysVerifyKeyRatelimit{{Name: "requests", Cost: p[int64](3)}}})
	t.code(components.CodeNotFound, asked{Key: "nobody"})
	change, err := t.Keys.UpdateKey(t.Context(), components.V2KeysUpdateKeyRequestBody{KeyID: made.KeyID, Enabled: p(false)})
	ok(t, change, err)
	t.code(components.CodeDisabled, asked{Key: made.Key})
}

func TestCreditsRerollDelete(tt *testing.T) {
	t := newTalk(tt)
	made := t.key(draft{Credits: &components.KeyCreditsData{Remaining: p[int64](1)}})
	credits, err := t.Keys.UpdateCredits(t.Context(), components.V2KeysUpdateCreditsRequestBody{KeyID: made.KeyID, Operation: components.OperationIncrement, Value: p[int64](4)})
	if left := ok(t, credits, err).V2KeysUpdateCreditsResponseBody.Data.Remaining; left == nil || *left != 5 {
		t.Error(left)
	}
	res, err := t.Keys.RerollKey(t.Context(), components.V2KeysRerollKeyRequestBody{KeyID: made.KeyID})
	fresh := ok(t, res, err).V2KeysRerollKeyResponseBody.Data
	t.code(components.CodeExpired, asked{Key: made.Key})
	if left := t.code(components.CodeValid, asked{Key: fresh.Key}).Credits; *left != 4 {
		t.Error(*left)
	}
	gone, err := t.Keys.DeleteKey(t.Context(), components.V2KeysDeleteKeyRequestBody{KeyID: fresh.KeyID})
	ok(t, gone, err)
	t.code(components.CodeNotFound, asked{Key: fresh.Key})
}

func TestAttach(tt *testing.T) {
	t := newTalk(tt)
	made := t.key(draft{})
	a, b, role := unique("a"), unique("b"), unique("role")
	t.raw("permissions.createRole", `{"name":"`+role+`","permissions":["`+b+`"]}`)
	added, err := t.Keys.AddPermissions(t.Context(), components.V2KeysAddPermissionsRequestBody{KeyID: made.KeyID, Permissions: []string{a}})
	t.same(len(ok(t, added, err).V2KeysAddPermissionsResponseBody.Data), 1)
	set, err := t.Keys.SetPermissions(t.Context(), components.V2KeysSetPermissionsRequestBody{KeyID: made.KeyID, Permissions: []string{a, b}})
	t.same(len(ok(t, set, err).V2KeysSetPermissionsResponseBody.Data), 2)
	removed, err := t.Keys.RemovePermissions(t.Context(), components.V2KeysRemovePermissionsRequestBody{KeyID: made.KeyID, Permissions: []string{b}})
	t.same(ok(t, removed, err).V2KeysRemovePermissionsResponseBody.Data[0].Slug, a)
	roles, err := t.Keys.AddRoles(t.Context(), components.V2KeysAddRolesRequestBody{KeyID: made.KeyID, Roles: []string{role}})
	t.same(ok(t, roles, err).V2KeysAddRolesResponseBody.Data[0].Permissions[0].Slug, b)
	t.same(t.code(components.CodeValid, asked{Key: made.Key, Permissions: p(a + " AND " + b)}).Permissions, []string{a, b})
	none, err := t.Keys.SetRoles(t.Context(), components.V2KeysSetRolesRequestBody{KeyID: made.KeyID, Roles: []string{}})
	t.same(ok(t, none, err).V2KeysSetRolesResponseBody.Data, []string{})
	still, err := t.Keys.RemoveRoles(t.Context(), components.V2KeysRemoveRolesRequestBody{KeyID: made.KeyID, Roles: []string{role}})
	t.same(ok(t, still, err).V2KeysRemoveRolesResponseBody.Data, []string{})
}

func TestDefinitions(tt *testing.T) {
	t := newTalk(tt)
	slug, name := unique("slug"), unique("role")
	made, err := t.Permissions.CreatePermission(t.Context(), components.V2PermissionsCreatePermissionRequestBody{Name: "Docs", Slug: slug})
	id := ok(t, made, err).V2PermissionsCreatePermissionResponseBody.Data.PermissionID
	permission, err := t.Permissions.GetPermission(t.Context(), components.V2PermissionsGetPermissionRequestBody{Permission: slug})
	t.same(ok(t, permission, err).V2PermissionsGetPermissionResponseBody.Data.ID, id)
	found, err := t.Permissions.ListPermissions(t.Context(), components.V2PermissionsListPermissionsRequestBody{Search: &slug})
	t.same(len(ok(t, found, err).V2PermissionsListPermissionsResponseBody.Data), 1)
	role, err := t.Permissions.CreateRole(t.Context(), components.V2PermissionsCreateRoleRequestBody{Name: name})
	roleID := ok(t, role, err).V2PermissionsCreateRoleResponseBody.Data.RoleID
	read, err := t.Permissions.GetRole(t.Context(), components.V2PermissionsGetRoleRequestBody{Role: roleID})
	t.same(ok(t, read, err).V2PermissionsGetRoleResponseBody.Data.Name, name)
	listed, err := t.Permissions.ListRoles(t.Context(), components.V2PermissionsListRolesRequestBody{Search: &name})
	t.same(len(ok(t, listed, err).V2PermissionsListRolesResponseBody.Data), 1)
	gone, err := t.Permissions.DeleteRole(t.Context(), components.V2PermissionsDeleteRoleRequestBody{Role: name})
	ok(t, gone, err)
	dropped, err := t.Permissions.DeletePermission(t.Context(), components.V2PermissionsDeletePermissionRequestBody{Permission: id})
	ok(t, dropped, err)
}

func TestIdentities(tt *testing.T) {
	t := newTalk(tt)
	user := unique("user")
	shared := limits{{Name: "shared", Limit: 1, Duration: month, AutoApply: p(true)}}
	made, err := t.Identities.CreateIdentity(t.Context(), components.V2IdentitiesCreateIdentityRequestBody{ExternalID: user, Ratelimits: shared})
	id := ok(t, made, err).V2IdentitiesCreateIdentityResponseBody.Data.IdentityID
	one, other := t.key(draft{ExternalID: &user}), t.key(draft{ExternalID: &user})
	t.code(components.CodeValid, asked{Key: one.Key})
	t.code(components.CodeRateLimited, asked{Key: other.Key})
	read, err := t.Identities.GetIdentity(t.Context(), components.V2IdentitiesGetIdentityRequestBody{Identity: user})
	t.same(ok(t, read, err).V2IdentitiesGetIdentityResponseBody.Data.ID, id)
	found, err := t.Identities.ListIdentities(t.Context(), components.V2IdentitiesListIdentitiesRequestBody{Search: &user})
	t.same(len(ok(t, found, err).V2IdentitiesListIdentitiesResponseBody.Data), 1)
	changed, err := t.Identities.UpdateIdentity(t.Context(), components.V2IdentitiesUpdateIdentityRequestBody{Identity: id, Ratelimits: limits{}})
	t.same(len(ok(t, changed, err).V2IdentitiesUpdateIdentityResponseBody.Data.Ratelimits), 0)
	t.code(components.CodeValid, asked{Key: other.Key})
	gone, err := t.Identities.DeleteIdentity(t.Context(), components.V2IdentitiesDeleteIdentityRequestBody{Identity: user})
	ok(t, gone, err)
}

func TestRatelimits(tt *testing.T) {
	t := newTalk(tt)
	space := unique("mail")
	use := components.V2RatelimitLimitRequestBody{Namespace: space, Identifier: "u1", Limit: 2, Duration: month}
	one, err := t.Ratelimit.Limit(t.Context(), use)
	t.same(ok(t, one, err).V2RatelimitLimitResponseBody.Data.Remaining, 1)
	many, err := t.Ratelimit.MultiLimit(t.Context(), []components.V2RatelimitLimitRequestBody{use, use})
	t.same(ok(t, many, err).V2RatelimitMultiLimitResponseBody.Data.Passed, false)
	set, err := t.Ratelimit.SetOverride(t.Context(), components.V2RatelimitSetOverrideRequestBody{Namespace: space, Identifier: "u*", Limit: 5, Duration: month})
	id := ok(t, set, err).V2RatelimitSetOverrideResponseBody.Data.OverrideID
	read, err := t.Ratelimit.GetOverride(t.Context(), components.V2RatelimitGetOverrideRequestBody{Namespace: space, Identifier: "u7"})
	t.same(ok(t, read, err).V2RatelimitGetOverrideResponseBody.Data.OverrideID, id)
	listed, err := t.Ratelimit.ListOverrides(t.Context(), components.V2RatelimitListOverridesRequestBody{Namespace: space})
	t.same(len(ok(t, listed, err).V2RatelimitListOverridesResponseBody.Data), 1)
	gone, err := t.Ratelimit.DeleteOverride(t.Context(), components.V2RatelimitDeleteOverrideRequestBody{Namespace: space, Identifier: "u*"})
	ok(t, gone, err)
}

// migration makes one on the command line and returns its id.
func (t talk) migration(algorithm string) string {
	t.Helper()
	id, err := suite.Command("migration", "create", "--algorithm", algorithm)
	return ok(t, id, err)
}

func (t talk) migrate(id string, hashes ...string) components.V2KeysMigrateKeysResponseData {
	t.Helper()
	body := components.V2KeysMigrateKeysRequestBody{MigrationID: id, APIID: t.api()}
	for _, hash := range hashes {
		body.Keys = append(body.Keys, components.V2KeysMigrateKeyData{Hash: hash, Name: p("migrated")})
	}
	res, err := t.Keys.MigrateKeys(t.Context(), body)
	return ok(t, res, err).V2KeysMigrateKeysResponseBody.Data
}

func TestMigrate(tt *testing.T) {
	t := newTalk(tt)
	plain := unique("plain")
	sum := sha256.Sum256([]byte(plain))
	hash := base64.StdEncoding.EncodeToString(sum[:])
	result := t.migrate(t.migration("sha256"), hash, hash)
	t.same([]int{len(result.Migrated), len(result.Failed)}, []int{1, 1})
	t.same(*t.code(components.CodeValid, asked{Key: plain}).KeyID, result.Migrated[0].KeyID)

	long := unique("long")
	sum = sha256.Sum256([]byte(long))
	seam := t.migration("github.com/seamapi/prefixed-api-key")
	result = t.migrate(seam, hex.EncodeToString(sum[:]))
	key := "company_short_" + long
	t.code(components.CodeNotFound, asked{Key: key})
	t.same(*t.code(components.CodeValid, asked{Key: key, MigrationID: &seam}).KeyID, result.Migrated[0].KeyID)
	t.code(components.CodeValid, asked{Key: key})
}

// The last test: every method of the client for this surface was called.
func TestZEveryMethodWasCalled(tt *testing.T) {
	t := newTalk(tt)
	_, err := t.Analytics.GetVerifications(t.Context(), components.V2AnalyticsGetVerificationsRequestBody{Query: "SELECT 1"})
	t.fails(err, http.StatusPreconditionFailed)
	for group, of := range map[string]any{
		"keys": t.Keys, "apis": t.Apis, "identities": t.Identities, "permissions": t.Permissions, "ratelimit": t.Ratelimit, "analytics": t.Analytics,
	} {
		for method := range reflect.TypeOf(of).Methods() {
			operation := strings.ToLower(group + "." + method.Name)
			if _, seen := called.Load(operation); !seen {
				t.Errorf("%s was not called", operation)
			}
		}
	}
}
