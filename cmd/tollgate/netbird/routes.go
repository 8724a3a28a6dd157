package netbird

import (
	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/audit"
)

// Routes is the table. Groups are there for setup keys, and need the same rights.
func (a *API) Routes() []web.Route {
	d := a.dialect
	return []web.Route{
		row("GET", "/api/setup-keys", "listSetupKeys", keys.ReadSetupKey, web.Heavy(charset(web.Plain(a.listSetupKeys)))),
		row("POST", "/api/setup-keys", "createSetupKey", keys.CreateSetupKey, charset(reading(d, a.createSetupKey))),
		row("POST", "/api/setup-keys/redeem", "redeemSetupKey", keys.RedeemSetupKey, reading(d, a.redeem)),
		row("GET", "/api/setup-keys/{keyId}", "getSetupKey", keys.ReadSetupKey, web.Plain(a.getSetupKey)),
		row("PUT", "/api/setup-keys/{keyId}", "updateSetupKey", keys.UpdateSetupKey, reading(d, a.updateSetupKey)),
		row("DELETE", "/api/setup-keys/{keyId}", "deleteSetupKey", keys.DeleteSetupKey, charset(web.Plain(a.deleteSetupKey))),
		row("GET", "/api/setup-keys/{keyId}/redemptions", "listRedemptions", keys.ReadSetupKey, web.Heavy(web.Query(d, a.listRedemptions))),
		row("GET", "/api/groups", "listGroups", keys.ReadSetupKey, web.Heavy(charset(web.Query(d, a.listGroups)))),
		row("POST", "/api/groups", "createGroup", keys.CreateSetupKey, charset(reading(d, a.createGroup))),
		row("GET", "/api/groups/{groupId}", "getGroup", keys.ReadSetupKey, charset(web.Plain(a.getGroup))),
		row("PUT", "/api/groups/{groupId}", "updateGroup", keys.UpdateSetupKey, charset(reading(d, a.updateGroup))),
		row("DELETE", "/api/groups/{groupId}", "deleteGroup", keys.DeleteSetupKey, charset(web.Plain(a.deleteGroup))),
	}
}

func row(method, path, name string, needs keys.Right, e web.Endpoint) web.Route {
	return web.Route{Method: method, Path: path, Name: name, Needs: []keys.Right{needs}, Action: actions[name], Endpoint: e}
}

// actions are what the operations change, as the audit log calls it. A redemption is none.
var actions = map[string]audit.Name{
	"createSetupKey": audit.CreateSetupKey,
	"updateSetupKey": audit.UpdateSetupKey,
	"deleteSetupKey": audit.DeleteSetupKey,
	"createGroup":    audit.CreateGroup,
	"updateGroup":    audit.UpdateGroup,
	"deleteGroup":    audit.DeleteGroup,
}

const withCharset = "application/json; charset=UTF-8"

// charset makes an endpoint say which encoding its answer has, where NetBird's does.
func charset(e web.Endpoint) web.Endpoint {
	serve := e.Serve
	e.Serve = func(c *web.Call) error {
		err := serve(c)
		if err == nil {
			c.SetHeader("Content-Type", withCharset)
		}
		return err
	}
	return e
}
