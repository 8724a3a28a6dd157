package unkeyv1

import (
	"slices"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/audit"
)

// Routes is the table of v1. Needs are the rights that the root key must have over
// the API, or the workspace, that the request is about.
func (a *API) Routes() []web.Route {
	return slices.Concat(a.mainRoutes(), a.ratelimitRoutes(), a.analyticsRoutes(), a.attachRoutes(), a.permissionRoutes(), a.identityRoutes(),
		a.apiKeyRoutes(), a.legacyRoutes(), a.migrationRoutes())
}

// mainRoutes are those that make, verify and change keys.
func (a *API) mainRoutes() []web.Route {
	d := a.dialect
	return []web.Route{
		get("/v1/liveness", "v1.liveness", public, web.Plain(liveness)),
		post("/v1/apis.createApi", "createApi", rights(keys.CreateAPI), web.JSON(d, a.createAPI)),
		get("/v1/apis.getApi", "getApi", rights(keys.ReadAPI), web.Query(d, a.getAPI)),
		also(post("/v1/keys.createKey", "createKey", rights(keys.CreateKey), web.JSON(d, a.createKey)),
			keys.EncryptKey, keys.CreatePermission, keys.CreateRole),
		post("/v1/keys.verifyKey", "verifyKey", public, web.JSON(d, a.verifyKey)),
		also(get("/v1/keys.getKey", "getKey", rights(keys.ReadKey), web.Query(d, a.getKey)), keys.DecryptKey),
		// Upstream's updateKey asks for update_key alone, also where it gives a key roles and
		// permissions, for which setRoles and setPermissions ask for more.
		also(post("/v1/keys.updateKey", "updateKey", rights(keys.UpdateKey), web.JSON(d, a.updateKey)),
			keys.AddRoleToKey, keys.DropRoleOfKey, keys.CreateRole, keys.AddPermissionToKey, keys.DropPermissionOfKey, keys.CreatePermission),
		post("/v1/keys.updateRemaining", "updateRemaining", rights(keys.UpdateKey), web.JSON(d, a.updateRemaining)),
		post("/v1/keys.deleteKey", "deleteKey", rights(keys.DeleteKey), web.JSON(d, a.deleteKey)),
	}
}

// public is in the place of rights on a route that takes no root key.
var public []keys.Right

func rights(needs ...keys.Right) []keys.Right { return needs }

func get(path, name string, needs []keys.Right, e web.Endpoint) web.Route {
	return web.Route{Method: "GET", Path: path, Name: name, Needs: needs, Public: needs == nil, Endpoint: e}
}

func post(path, name string, needs []keys.Right, e web.Endpoint) web.Route {
	return web.Route{Method: "POST", Path: path, Name: name, Needs: needs, Public: needs == nil, Action: actions[path], Endpoint: e}
}

// actions are what the paths change, as the audit log calls it.
var actions = map[string]audit.Name{
	"/v1/keys.createKey":               audit.CreateKey,
	"/v1/keys":                         audit.CreateKey,
	"/v1/migrations.createKeys":        audit.ImportKeys,
	"/v1/migrations.enqueueKeys":       audit.ImportKeys,
	"/v1/keys.updateKey":               audit.UpdateKey,
	"/v1/keys.updateRemaining":         audit.UpdateCredits,
	"/v1/keys.deleteKey":               audit.DeleteKey,
	"/v1/keys.addPermissions":          audit.UpdatePermissions,
	"/v1/keys.setPermissions":          audit.UpdatePermissions,
	"/v1/keys.removePermissions":       audit.UpdatePermissions,
	"/v1/keys.addRoles":                audit.UpdateRoles,
	"/v1/keys.setRoles":                audit.UpdateRoles,
	"/v1/keys.removeRoles":             audit.UpdateRoles,
	"/v1/apis.createApi":               audit.CreateAPI,
	"/v1/apis.deleteApi":               audit.DeleteAPI,
	"/v1/apis.deleteKeys":              audit.DeleteKeys,
	"/v1/identities.createIdentity":    audit.CreateIdentity,
	"/v1/identities.updateIdentity":    audit.UpdateIdentity,
	"/v1/identities.deleteIdentity":    audit.DeleteIdentity,
	"/v1/permissions.createPermission": audit.CreatePermission,
	"/v1/permissions.deletePermission": audit.DeletePermission,
	"/v1/permissions.createRole":       audit.CreateRole,
	"/v1/permissions.deleteRole":       audit.DeleteRole,
	"/v1/ratelimits.setOverride":       audit.SetOverride,
	"/v1/ratelimits.deleteOverride":    audit.DeleteOverride,
}

// also is a route of which some requests need further rights: those that they make use of.
func also(r web.Route, rights ...keys.Right) web.Route {
	r.Also = rights
	return r
}

// answering is a route whose answer comes with other statuses than 200 alone.
func answering(r web.Route, statuses ...int) web.Route {
	r.Answers = statuses
	return r
}
