package unkeyv1_test

import (
	"fmt"
	"testing"
)

// keyOn makes an API and a key of it.
func (g *golden) keyOn(draft string) (api, id, secret string) {
	g.t.Helper()
	api = g.post("an API", "/v1/apis.createApi", `{"name":"golden"}`).text("apiId")
	made := g.post("a key", "/v1/keys.createKey", fmt.Sprintf(draft, api))
	return api, made.text("keyId"), made.text("key")
}

// What whoami tells of a key, and whom.
func TestGoldenWhoami(t *testing.T) {
	g := newGolden(t, "whoami")
	const path = "/v1/keys.whoami"
	api, id, secret := g.keyOn(`{"apiId":%q,"prefix":"who","name":"n","externalId":"user_1","meta":{"plan":"pro"},"remaining":3,"environment":"test"}`)
	who := fmt.Sprintf(`{"key":%q}`, secret)
	g.post("all that there is", path, who)
	g.post("nothing was used by it", "/v1/keys.verifyKey", who)
	_, _, bare := g.keyOn(`{"apiId":%q,"enabled":false}`)
	g.post("what is not there is left out", path, fmt.Sprintf(`{"key":%q}`, bare))
	g.as("api."+api+".read_key").post("a right over its API", path, who)
	g.as("api.*.update_key").post("missing right", path, who)
	g.stranger().post("another workspace's", path, who)
	g.post("unknown", path, `{"key":"who_nobody"}`)
	g.post("a root key", path, fmt.Sprintf(`{"key":%q}`, g.rootKey))
	g.post("empty", path, `{"key":""}`)
	g.as().post("no root key", path, who)
	g.post("deleted", "/v1/keys.deleteKey", fmt.Sprintf(`{"keyId":%q}`, id))
	g.post("gone", path, who)
}

// Permissions of a key: by id, name and slug, made where asked, none twice.
func TestGoldenKeyPermissions(t *testing.T) {
	g := newGolden(t, "keypermissions")
	_, id, secret := g.keyOn(`{"apiId":%q}`)
	read := g.post("a permission", "/v1/permissions.createPermission", `{"name":"Read.docs","slug":"docs.read"}`).text("permissionId")
	body := func(items string) string { return fmt.Sprintf(`{"keyId":%q,"permissions":[%s]}`, id, items) }
	shown := func() { g.t.Helper(); g.get("the key now", "/v1/keys.getKey?keyId="+id) }
	const add, set, remove = "/v1/keys.addPermissions", "/v1/keys.setPermissions", "/v1/keys.removePermissions"
	adder, setter := g.as("rbac.*.add_permission_to_key"), g.as("rbac.*.add_permission_to_key", "rbac.*.remove_permission_from_key")

	adder.post("add by id", add, body(fmt.Sprintf(`{"id":%q}`, read)))
	adder.post("add by name, which is the slug", add, body(`{"name":"docs.read"}`))
	adder.post("make one without the right to", add, body(`{"name":"docs.write","create":true}`))
	g.as("rbac.*.add_permission_to_key", "rbac.*.create_permission").post("make one", add,
		body(`{"name":"docs.write","create":true},{"name":"docs.write","create":true}`))
	shown()
	setter.post("set by slug", set, body(`{"slug":"docs.write"}`))
	shown()
	g.post("add both again", add, body(`{"name":"docs.read"},{"name":"docs.write"}`))
	g.as("rbac.*.remove_permission_from_key").post("remove by slug", remove, body(`{"slug":"docs.write"}`))
	g.post("remove what is not attached", remove, body(`{"name":"docs.write"}`))
	g.post("remove what does not exist", remove, body(`{"name":"nobody.knows"},{"id":"perm_unknown"}`))
	shown()
	g.post("the next verification knows", "/v1/keys.verifyKey", fmt.Sprintf(`{"key":%q,"authorization":{"permissions":"docs.read"}}`, secret))

	for _, path := range []string{add, set} {
		g.post("unknown name", path, body(`{"name":"nobody.knows"}`))
		g.post("unknown id", path, body(`{"id":"perm_unknown"}`))
		g.post("no name at all", path, body(`{"name":"with space","create":true}`))
	}
	for _, path := range []string{add, set, remove} {
		g.post("nothing asked", path, body(``))
		g.post("neither id nor name", path, body(`{}`))
		g.post("short id", path, body(`{"id":"pe"}`))
		g.post("no permissions", path, fmt.Sprintf(`{"keyId":%q}`, id))
		g.post("unknown key", path, `{"keyId":"key_unknown","permissions":[{"name":"docs.read"}]}`)
		g.stranger().post("another workspace's key", path, body(`{"name":"docs.read"}`))
		g.as("rbac.*.add_role_to_key").post("missing right", path, body(`{"name":"docs.read"}`))
		g.as().post("no root key", path, body(`{"name":"docs.read"}`))
	}
	g.post("one to begin with", set, body(`{"name":"docs.read"}`))
	adder.post("set what is there, without the right to remove", set, body(`{"name":"docs.read"}`))
	adder.post("set more, without the right to remove", set, body(`{"name":"docs.read"},{"name":"docs.write"}`))
	adder.post("set less, without the right to remove", set, body(`{"name":"docs.read"}`))
	g.as("rbac.*.remove_permission_from_key", "rbac.*.create_permission").post("set another, without the right to add", set, body(`{"name":"docs.more","create":true}`))
	g.list("and nothing was made", "/v1/permissions.listPermissions", "")
	shown()
}

// Roles of a key: by id and name, made where asked, none twice.
func TestGoldenKeyRoles(t *testing.T) {
	g := newGolden(t, "keyroles")
	_, id, _ := g.keyOn(`{"apiId":%q}`)
	reader := g.post("a role", "/v1/permissions.createRole", `{"name":"reader"}`).text("roleId")
	body := func(items string) string { return fmt.Sprintf(`{"keyId":%q,"roles":[%s]}`, id, items) }
	shown := func() { g.t.Helper(); g.get("the key now", "/v1/keys.getKey?keyId="+id) }
	const add, set, remove = "/v1/keys.addRoles", "/v1/keys.setRoles", "/v1/keys.removeRoles"
	adder, setter := g.as("rbac.*.add_role_to_key"), g.as("rbac.*.add_role_to_key", "rbac.*.remove_role_from_key")

	adder.post("add by id", add, body(fmt.Sprintf(`{"id":%q}`, reader)))
	adder.post("add by name", add, body(`{"name":"reader"}`))
	adder.post("make one without the right to", add, body(`{"name":"writer","create":true}`))
	g.as("rbac.*.add_role_to_key", "rbac.*.create_role").post("make one", add, body(`{"name":"writer","create":true}`))
	shown()
	setter.post("set by name", set, body(`{"name":"writer"}`))
	shown()
	g.as("rbac.*.remove_role_from_key").post("remove what is not attached", remove, body(`{"name":"reader"}`))
	g.post("remove what does not exist", remove, body(`{"name":"nobody"},{"id":"role_unknown"}`))
	g.post("remove by name", remove, body(`{"name":"writer"}`))
	shown()

	for _, path := range []string{add, set} {
		g.post("unknown name", path, body(`{"name":"nobody"}`))
		g.post("unknown id", path, body(`{"id":"role_unknown"}`))
	}
	for _, path := range []string{add, set, remove} {
		g.post("nothing asked", path, body(``))
		g.post("neither id nor name", path, body(`{}`))
		g.post("empty name", path, body(`{"name":""}`))
		g.post("no roles", path, fmt.Sprintf(`{"keyId":%q}`, id))
		g.post("unknown key", path, `{"keyId":"key_unknown","roles":[{"name":"reader"}]}`)
		g.stranger().post("another workspace's key", path, body(`{"name":"reader"}`))
		g.as("rbac.*.add_permission_to_key").post("missing right", path, body(`{"name":"reader"}`))
		g.as().post("no root key", path, body(`{"name":"reader"}`))
	}
	g.post("one to begin with", set, body(`{"name":"reader"}`))
	adder.post("set what is there, without the right to remove", set, body(`{"name":"reader"}`))
	adder.post("set more, without the right to remove", set, body(`{"name":"reader"},{"name":"writer"}`))
	adder.post("set less, without the right to remove", set, body(`{"name":"reader"}`))
	g.as("rbac.*.remove_role_from_key", "rbac.*.create_role").post("set another, without the right to add", set, body(`{"name":"more","create":true}`))
	g.list("and nothing was made", "/v1/permissions.listRoles", "")
	shown()
}
