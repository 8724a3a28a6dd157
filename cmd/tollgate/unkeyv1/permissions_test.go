package unkeyv1_test

import (
	"fmt"
	"strings"
	"testing"
)

// A permission from its making to its end.
func TestGoldenPermissions(t *testing.T) {
	g := newGolden(t, "permissions")
	const create, read, list, remove = "/v1/permissions.createPermission", "/v1/permissions.getPermission?permissionId=",
		"/v1/permissions.listPermissions", "/v1/permissions.deletePermission"
	g.get("none yet", list)
	id := g.post("create", create, `{"name":"docs.read","description":"may read","slug":"docs.r"}`).text("permissionId")
	g.as("rbac.*.create_permission").post("the slug is the name unless said", create, `{"name":"docs:write-all"}`)
	g.as("rbac.*.read_permission").get("read", read+id)
	g.as("rbac.*.read_permission").list("list", list, "")
	g.post("slug taken", create, `{"name":"docs.other","slug":"docs.r"}`)
	g.post("slug taken but for its case", create, `{"name":"DOCS.R"}`)
	g.stranger().post("slug free in another workspace", create, `{"name":"docs.r"}`)

	g.post("short name", create, `{"name":"do"}`)
	g.post("long name", create, fmt.Sprintf(`{"name":%q}`, strings.Repeat("n", 257)))
	g.post("characters of a name", create, `{"name":"docs read"}`)
	g.post("characters of a slug", create, `{"name":"docs","slug":"docs.*"}`)
	g.post("short slug", create, `{"name":"docs","slug":"do"}`)
	g.post("description of another type", create, `{"name":"docs","description":7}`)
	g.post("long description", create, fmt.Sprintf(`{"name":"docs","description":%q}`, strings.Repeat("d", 513)))
	g.post("nothing", create, `{}`)
	g.get("read nothing", "/v1/permissions.getPermission")
	g.get("read unknown", read+"perm_unknown")
	g.get("slugs are not ids", read+"docs.r")
	g.stranger().get("read another workspace's", read+id)
	g.stranger().list("list another workspace's", list, "")
	g.post("delete nothing", remove, `{}`)
	g.post("delete unknown", remove, `{"permissionId":"perm_unknown"}`)
	g.stranger().post("delete another workspace's", remove, fmt.Sprintf(`{"permissionId":%q}`, id))

	wrong := g.as("rbac.*.create_role", "rbac.*.read_role", "rbac.*.delete_role")
	for _, one := range []*golden{wrong, g.as()} {
		one.post("refused", create, `{"name":"docs.more"}`)
		one.get("refused", read+id)
		one.get("refused", list)
		one.post("refused", remove, fmt.Sprintf(`{"permissionId":%q}`, id))
	}
	g.list("nothing was changed by all these", list, "")
	g.as("rbac.*.delete_permission").post("delete", remove, fmt.Sprintf(`{"permissionId":%q}`, id))
	g.post("delete again", remove, fmt.Sprintf(`{"permissionId":%q}`, id))
	g.get("gone", read+id)
	g.list("one left", list, "")
	g.post("the slug is free", create, `{"name":"docs.r"}`)
}

// A role from its making to its end.
func TestGoldenRoles(t *testing.T) {
	g := newGolden(t, "roles")
	const create, read, list, remove = "/v1/permissions.createRole", "/v1/permissions.getRole?roleId=",
		"/v1/permissions.listRoles", "/v1/permissions.deleteRole"
	g.get("none yet", list)
	id := g.post("create", create, `{"name":"admin","description":"may do it all"}`).text("roleId")
	g.as("rbac.*.create_role").post("any characters", create, `{"name":"Büro & Söhne"}`)
	g.as("rbac.*.read_role").get("read", read+id)
	g.as("rbac.*.read_role").list("list", list, "")
	g.post("name taken", create, `{"name":"admin"}`)
	g.post("name taken but for its case", create, `{"name":"ADMIN"}`)
	g.stranger().post("name free in another workspace", create, `{"name":"admin"}`)

	g.post("short name", create, `{"name":"ad"}`)
	g.post("long name", create, fmt.Sprintf(`{"name":%q}`, strings.Repeat("n", 257)))
	g.post("description of another type", create, `{"name":"other","description":[]}`)
	g.post("long description", create, fmt.Sprintf(`{"name":"other","description":%q}`, strings.Repeat("d", 513)))
	g.post("nothing", create, `{}`)
	g.get("read nothing", "/v1/permissions.getRole")
	g.get("read unknown", read+"role_unknown")
	g.stranger().get("read another workspace's", read+id)
	g.stranger().list("list another workspace's", list, "")
	g.post("delete nothing", remove, `{}`)
	g.post("delete unknown", remove, `{"roleId":"role_unknown"}`)
	g.stranger().post("delete another workspace's", remove, fmt.Sprintf(`{"roleId":%q}`, id))

	wrong := g.as("rbac.*.create_permission", "rbac.*.read_permission", "rbac.*.delete_permission")
	for _, one := range []*golden{wrong, g.as()} {
		one.post("refused", create, `{"name":"another"}`)
		one.get("refused", read+id)
		one.get("refused", list)
		one.post("refused", remove, fmt.Sprintf(`{"roleId":%q}`, id))
	}
	g.list("nothing was changed by all these", list, "")
	g.as("rbac.*.delete_role").post("delete", remove, fmt.Sprintf(`{"roleId":%q}`, id))
	g.post("delete again", remove, fmt.Sprintf(`{"roleId":%q}`, id))
	g.get("gone", read+id)
	g.list("one left", list, "")
	g.post("the name is free", create, `{"name":"admin"}`)
}
