package unkeyv2

import (
	"slices"

	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/keys/audit"
)

// Routes is the table of v2. Needs are the rights that the root key must have, each
// of them, over the API, the namespace or the workspace that the request is about;
// some requests take those of also besides, as far as they make use of them.
func (a *API) Routes() []web.Route {
	return slices.Concat(a.keyRoutes(), a.apiRoutes(), a.identityRoutes(), a.permissionRoutes(), a.ratelimitRoutes(), a.auditRoutes())
}

const verifyPath = "/v2/keys.verifyKey"

func (a *API) keyRoutes() []web.Route {
	d := a.dialect
	return []web.Route{
		post("keys.verifyKey", rights(keys.VerifyKey), web.JSON(d, a.verifyKey)),
		also(post("keys.createKey", rights(keys.CreateKey), data(d, a.createKey)), keys.EncryptKey),
		post("keys.migrateKeys", rights(keys.CreateKey), data(d, a.migrateKeys)),
		also(post("keys.getKey", rights(keys.ReadKey), data(d, a.getKey)), keys.DecryptKey),
		post("keys.whoami", rights(keys.ReadKey), data(d, a.whoami)),
		post("keys.updateKey", rights(keys.UpdateKey), data(d, a.updateKey)),
		post("keys.updateCredits", rights(keys.UpdateKey), data(d, a.updateCredits)),
		repeatable(also(post("keys.rerollKey", rights(keys.CreateKey), data(d, a.rerollKey, schema.Open())), keys.EncryptKey)),
		post("keys.deleteKey", rights(keys.DeleteKey), data(d, a.deleteKey)),
		also(post("keys.addPermissions", rights(keys.UpdateKey, keys.AddPermissionToKey), data(d, a.addPermissions)), keys.CreatePermission),
		also(post("keys.setPermissions", rights(keys.UpdateKey, keys.AddPermissionToKey, keys.DropPermissionOfKey), data(d, a.setPermissions)), keys.CreatePermission),
		post("keys.removePermissions", rights(keys.UpdateKey, keys.DropPermissionOfKey), data(d, a.removePermissions)),
		post("keys.addRoles", rights(keys.UpdateKey, keys.AddRoleToKey), data(d, a.addRoles)),
		post("keys.setRoles", rights(keys.UpdateKey), data(d, a.setRoles)),
		post("keys.removeRoles", rights(keys.UpdateKey), data(d, a.removeRoles)),
	}
}

func (a *API) apiRoutes() []web.Route {
	d := a.dialect
	return []web.Route{
		{Method: "GET", Path: "/v2/liveness", Name: "liveness", Public: true, Endpoint: web.Plain(liveness)},
		post("apis.createApi", rights(keys.CreateAPI), data(d, a.createAPI)),
		post("apis.getApi", rights(keys.ReadAPI), data(d, a.getAPI)),
		post("apis.deleteApi", rights(keys.DeleteAPI), data(d, a.deleteAPI)),
		also(post("apis.listKeys", rights(keys.ReadKey, keys.ReadAPI), rows(d, a.listKeys)), keys.DecryptKey),
		post("analytics.getVerifications", rights(keys.ReadAnalytics), data(d, analytics, schema.Open())),
		post("analytics.getRatelimits", rights(keys.ReadAnalytics), data(d, analytics, schema.Open())),
	}
}

func (a *API) identityRoutes() []web.Route {
	d := a.dialect
	return []web.Route{
		post("identities.createIdentity", rights(keys.CreateIdentity), data(d, a.createIdentity, schema.Open())),
		post("identities.getIdentity", rights(keys.ReadIdentity), data(d, a.getIdentity)),
		post("identities.listIdentities", rights(keys.ReadIdentity), rows(d, a.listIdentities)),
		post("identities.updateIdentity", rights(keys.UpdateIdentity), data(d, a.updateIdentity)),
		post("identities.deleteIdentity", rights(keys.DeleteIdentity), web.JSON(d, a.deleteIdentity)),
	}
}

func (a *API) permissionRoutes() []web.Route {
	d := a.dialect
	return []web.Route{
		post("permissions.createPermission", rights(keys.CreatePermission), data(d, a.createPermission)),
		post("permissions.getPermission", rights(keys.ReadPermission), data(d, a.getPermission)),
		post("permissions.listPermissions", rights(keys.ReadPermission), rows(d, a.listPermissions)),
		post("permissions.deletePermission", rights(keys.DeletePermission), data(d, a.deletePermission)),
		also(post("permissions.createRole", rights(keys.CreateRole), data(d, a.createRole)), keys.AddPermissionToRole, keys.CreatePermission),
		post("permissions.getRole", rights(keys.ReadRole), data(d, a.getRole)),
		post("permissions.listRoles", rights(keys.ReadRole), rows(d, a.listRoles)),
		post("permissions.deleteRole", rights(keys.DeleteRole), data(d, a.deleteRole)),
		also(post("permissions.setRolePermissions", rights(keys.AddPermissionToRole, keys.DropPermissionOfRole), data(d, a.setRolePermissions)), keys.CreatePermission),
	}
}

func (a *API) ratelimitRoutes() []web.Route {
	d := a.dialect
	return []web.Route{
		also(post("ratelimit.limit", rights(keys.UseRatelimit), data(d, a.limit)), keys.CreateNamespace),
		also(post("ratelimit.multiLimit", rights(keys.UseRatelimit), data(d, a.multiLimit, schema.Check("minItems=1,maxItems=100"))), keys.CreateNamespace),
		post("ratelimit.setOverride", rights(keys.SetOverride), web.Heavy(data(d, a.setOverride))),
		post("ratelimit.getOverride", rights(keys.ReadOverride), web.Heavy(data(d, a.getOverride))),
		post("ratelimit.listOverrides", rights(keys.ReadOverride), rows(d, a.listOverrides)),
		post("ratelimit.deleteOverride", rights(keys.DeleteOverride), web.Heavy(data(d, a.deleteOverride))),
	}
}

func (a *API) auditRoutes() []web.Route {
	return []web.Route{post("audit.listEntries", rights(keys.ReadAudit), rows(a.dialect, a.listEntries))}
}

// actions are what the operations change, as the audit log calls it.
var actions = map[string]audit.Name{
	"keys.createKey":                 audit.CreateKey,
	"keys.migrateKeys":               audit.ImportKeys,
	"keys.updateKey":                 audit.UpdateKey,
	"keys.updateCredits":             audit.UpdateCredits,
	"keys.rerollKey":                 audit.RerollKey,
	"keys.deleteKey":                 audit.DeleteKey,
	"keys.addPermissions":            audit.UpdatePermissions,
	"keys.setPermissions":            audit.UpdatePermissions,
	"keys.removePermissions":         audit.UpdatePermissions,
	"keys.addRoles":                  audit.UpdateRoles,
	"keys.setRoles":                  audit.UpdateRoles,
	"keys.removeRoles":               audit.UpdateRoles,
	"apis.createApi":                 audit.CreateAPI,
	"apis.deleteApi":                 audit.DeleteAPI,
	"identities.createIdentity":      audit.CreateIdentity,
	"identities.updateIdentity":      audit.UpdateIdentity,
	"identities.deleteIdentity":      audit.DeleteIdentity,
	"permissions.createPermission":   audit.CreatePermission,
	"permissions.deletePermission":   audit.DeletePermission,
	"permissions.createRole":         audit.CreateRole,
	"permissions.deleteRole":         audit.DeleteRole,
	"permissions.setRolePermissions": audit.UpdateRole,
	"ratelimit.setOverride":          audit.SetOverride,
	"ratelimit.deleteOverride":       audit.DeleteOverride,
}

// also is a route of which some requests need further rights: those that they make use of.
func also(r web.Route, rights ...keys.Right) web.Route {
	r.Also = rights
	return r
}

// idempotencyKey is the header by which a request is known again.
const idempotencyKey = "Idempotency-Key"

// repeatable is a row of a request that may be repeated.
func repeatable(r web.Route) web.Route {
	r.Headers = append(r.Headers, web.Header{
		Name: idempotencyKey, MaxLength: keys.MaxIdempotencyKey,
		Description: "Makes it safe to send the request again within 24 hours: the same key is answered, with a fresh secret. Printable ASCII.",
	})
	return r
}

func rights(needs ...keys.Right) []keys.Right { return needs }

func post(name string, needs []keys.Right, e web.Endpoint) web.Route {
	return web.Route{Method: "POST", Path: "/v2/" + name, Name: name, Needs: needs, Action: actions[name], Endpoint: e}
}
