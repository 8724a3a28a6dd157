package unkeyv2_test

import (
	"fmt"
	"strings"
	"testing"

	"tollgate/cmd/tollgate/golden"
	"tollgate/cmd/tollgate/unkeyv2"
	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/store"
	"tollgate/verify"
)

func serveV2(store *store.Store, verifier *verify.Verifier) *web.Router {
	v2 := unkeyv2.New(store, verifier)
	router := web.NewRouter(v2.Dialect())
	router.Add(v2.Dialect(), v2.Routes()...)
	return router
}

// talk is a conversation with v2, all of whose endpoints take a POST.
type talk struct{ *golden.Caller }

func newTalk(t *testing.T, name string) talk {
	t.Helper()
	return talk{golden.New(t, name, serveV2)}
}

// post fills the body's %s with args.
func (g talk) post(title, operation, body string, args ...any) golden.Answer {
	return g.Post(title, "/v2/"+operation, fmt.Sprintf(body, args...))
}

func (g talk) list(title, operation, body string, args ...any) golden.Answer {
	return g.Sorted(title, "POST", "/v2/"+operation, fmt.Sprintf(body, args...), "data")
}

func (g talk) as(grants ...string) talk { return talk{g.As(grants...)} }

func (g talk) api() string {
	return g.post("an API", "apis.createApi", `{"name":"golden"}`).Text("data.apiId")
}

// key makes a key on an API and returns its id and itself.
func (g talk) key(api, members string) (id, key string) {
	made := g.post("a key", "keys.createKey", `{"apiId":"%s"%s}`, api, members)
	return made.Text("data.keyId"), made.Text("data.key")
}

// month is the duration of limits, so long that no window ends in a test.
const month = "2592000000"

func TestGoldenAPIs(t *testing.T) {
	g := newTalk(t, "apis")
	g.Get("alive", "/v2/liveness")
	api := g.api()
	g.post("read", "apis.getApi", `{"apiId":"%s"}`, api)
	g.post("short name", "apis.createApi", `{"name":"go"}`)
	g.post("unknown", "apis.getApi", `{"apiId":"api_unknown"}`)
	g.post("no id", "apis.getApi", `{}`)
	talk{g.Stranger()}.post("another workspace's", "apis.getApi", `{"apiId":"%s"}`, api)
	g.as("api.*.create_api").post("missing right", "apis.getApi", `{"apiId":"%s"}`, api)
	g.as("api."+api+".read_api").post("right over this one", "apis.getApi", `{"apiId":"%s"}`, api)
	g.post("delete", "apis.deleteApi", `{"apiId":"%s"}`, api)
	g.post("it is gone", "apis.deleteApi", `{"apiId":"%s"}`, api)
	g.post("a key on it", "keys.createKey", `{"apiId":"%s"}`, api)
	g.post("no id to delete", "apis.deleteApi", `{}`)
}

func TestGoldenAudit(t *testing.T) {
	g := newTalk(t, "audit")
	api := g.api()
	id, _ := g.key(api, `,"name":"one","meta":{"a":1},"credits":{"remaining":5}`)
	g.post("change", "keys.updateKey", `{"keyId":"%s","name":"two","enabled":false}`, id)
	g.as("api.*.read_key").post("a change without the right", "keys.deleteKey", `{"keyId":"%s"}`, id)
	g.post("a change of what is not there", "apis.deleteApi", `{"apiId":"api_unknown"}`)
	g.post("delete", "keys.deleteKey", `{"keyId":"%s"}`, id)
	g.post("who did all this", "audit.listEntries", `{"limit":100}`)
	g.post("to the key", "audit.listEntries", `{"resourceId":"%s","action":"key."}`, id)
	g.post("by nobody", "audit.listEntries", `{"actor":"nobody"}`)
	page := g.post("the last", "audit.listEntries", `{"limit":1}`)
	g.post("the one before", "audit.listEntries", `{"limit":1,"cursor":"%s"}`, page.Text("pagination.cursor"))
	g.post("no cursor", "audit.listEntries", `{"cursor":"x"}`)
	g.post("too many", "audit.listEntries", `{"limit":101}`)
	g.as("api.*.read_key").post("missing right", "audit.listEntries", `{}`)
	talk{g.Stranger()}.post("another workspace's", "audit.listEntries", `{"action":"api."}`)
}

func TestGoldenListKeys(t *testing.T) {
	g := newTalk(t, "listkeys")
	api := g.api()
	g.post("none yet", "apis.listKeys", `{"apiId":"%s"}`, api)
	_, key := g.key(api, `,"name":"one","externalId":"user_1","roles":[],"permissions":["docs.read"],"meta":{"a":1},"credits":{"remaining":5}`)
	g.key(api, `,"name":"two"`)
	g.list("two", "apis.listKeys", `{"apiId":"%s","revalidateKeysCache":true}`, api)
	g.list("one user's", "apis.listKeys", `{"apiId":"%s","externalId":"user_1","limit":1}`, api)
	g.list("nobody's", "apis.listKeys", `{"apiId":"%s","externalId":"user_2"}`, api)
	g.post("a page of none", "apis.listKeys", `{"apiId":"%s","limit":0}`, api)
	g.as("api.*.read_key").post("missing right is an unknown API", "apis.listKeys", `{"apiId":"%s"}`, api)
	g.as("api.*.read_key", "api.*.read_api").post("missing right to decrypt", "apis.listKeys", `{"apiId":"%s","decrypt":true}`, api)
	g.post("an unknown API", "apis.listKeys", `{"apiId":"api_unknown"}`)
	g.post("who is it", "keys.whoami", `{"key":"%s"}`, key)
}

// Every shape that a refused request can have.
func TestGoldenErrors(t *testing.T) {
	g := newTalk(t, "errors")
	const path, body = "/v2/apis.createApi", `{"name":"golden"}`
	nobody := g.as()
	nobody.Post("no Authorization header", path, body)
	nobody.Exchange("another scheme", "POST", path, body, "Authorization: Basic x")
	nobody.Exchange("no scheme", "POST", path, body, "Authorization: foo")
	nobody.Exchange("no token", "POST", path, body, "Authorization: Bearer ")
	g.With("unknown_root_key", "a root key that does not exist").Post("unknown root key", path, body)
	_, key := g.key(g.api(), ``)
	g.With(key, "a key that is no root key").Post("a key that is no root key", path, body)
	g.Post("no such member", path, `{"name":"golden","nmae":"x"}`)
	g.Post("wrong types", path, `{"name":7}`)
	g.Post("not an object", path, `[]`)
	g.Post("broken JSON", path, `{"name":`)
	g.Post("a name twice", path, `{"name":"golden","name":"golden"}`)
	g.Exchange("empty body", "POST", path, "", "Content-Type: application/json")
	g.Exchange("no content type", "POST", path, body, "Content-Type: ")
	g.Exchange("text", "POST", path, body, "Content-Type: text/plain")
	g.Exchange("compressed", "POST", path, body, "Content-Encoding: gzip")
	g.Exchange("as a problem", "POST", path, `{}`, "Accept: application/problem+json")
	g.Exchange("wrong verb", "GET", path, "")
	g.Post("no such path", "/v2/portal.createSession", `{}`)
	g.as("api.*.read_api").Post("missing right", path, body)
}

func TestGoldenCreateKey(t *testing.T) {
	g := newTalk(t, "createkey")
	api := g.api()
	g.post("a role", "permissions.createRole", `{"name":"admin","permissions":["docs.write"]}`)
	id, key := g.key(api, `,"prefix":"my_app","name":"every field","byteLength":24,"externalId":"user_7","meta":{"plan":"pro","n":1.50},
"roles":["admin"],"permissions":["docs.read","docs.write"],"expires":4102444800000,
"credits":{"remaining":100,"refill":{"interval":"monthly","amount":50,"refillDay":31}},
"ratelimits":[{"name":"requests","limit":10,"duration":`+month+`,"autoApply":true},{"name":"tokens","limit":5,"duration":60000,"autoApply":false}],
"enabled":true,"recoverable":false`)
	if !strings.HasPrefix(key, "my_app_") {
		t.Error(key)
	}
	g.post("read", "keys.getKey", `{"keyId":"%s"}`, id)
	g.post("the last limit of a name", "keys.createKey", `{"apiId":"%s","ratelimits":[{"name":"aaa","limit":1,"duration":1000,"autoApply":true},{"name":"aaa","limit":2,"duration":2000,"autoApply":false}]}`, api)
	g.post("a daily refill's day has no meaning", "keys.createKey", `{"apiId":"%s","credits":{"remaining":0,"refill":{"interval":"daily","amount":5,"refillDay":3}}}`, api)
	g.post("unlimited by name", "keys.createKey", `{"apiId":"%s","credits":{"remaining":null},"enabled":false}`, api)
	for _, row := range [][2]string{
		{"a refill without a balance", `"credits":{"remaining":null,"refill":{"interval":"daily","amount":5}}`},
		{"a monthly refill without a day", `"credits":{"remaining":1,"refill":{"interval":"monthly","amount":5}}`},
		{"an interval nobody knows", `"credits":{"remaining":1,"refill":{"interval":"hourly","amount":5}}`},
		{"credits without remaining", `"credits":{}`},
		{"less than nothing", `"credits":{"remaining":-1}`},
		{"more than can be counted", `"credits":{"remaining":9007199254740992}`},
		{"2^63-1", `"credits":{"remaining":9223372036854775807}`},
		{"does the limit always apply?", `"ratelimits":[{"name":"aaa","limit":1,"duration":1000}]`},
		{"a limit of nothing", `"ratelimits":[{"name":"aaa","limit":0,"duration":999,"autoApply":true}]`},
		{"a window over thirty days", `"ratelimits":[{"name":"aaa","limit":1,"duration":2592000001,"autoApply":true}]`},
		{"bad names", `"prefix":"a-b","externalId":"a b","permissions":["a b"],"roles":[""]`},
		{"a short key", `"byteLength":15`},
		{"the year 2101", `"expires":4133980800000`},
		{"unknown role", `"roles":["nobody"]`},
		{"recoverable, nothing seals", `"recoverable":true`},
	} {
		g.post(row[0], "keys.createKey", `{"apiId":"%s",%s}`, api, row[1])
	}
	g.post("unknown API", "keys.createKey", `{"apiId":"api_unknown"}`)
	g.as("api.*.read_key").post("missing right is an unknown API", "keys.createKey", `{"apiId":"%s"}`, api)
	talk{g.Stranger()}.post("another workspace's API", "keys.createKey", `{"apiId":"%s"}`, api)
}

func TestGoldenVerifyKey(t *testing.T) {
	g := newTalk(t, "verifykey")
	api := g.api()
	g.post("a role", "permissions.createRole", `{"name":"admin","permissions":["docs.write","docs.read"]}`)
	g.post("whose keys share a limit", "identities.createIdentity", `{"externalId":"user_1","meta":{"x":1},"ratelimits":[{"name":"shared","limit":10,"duration":`+month+`,"autoApply":true}]}`)
	_, key := g.key(api, `,"name":"n","externalId":"user_1","meta":{"plan":"pro"},"permissions":["docs.read"],"roles":["admin"],"expires":4102444799000,
"credits":{"remaining":5},"ratelimits":[{"name":"requests","limit":3,"duration":`+month+`,"autoApply":true},{"name":"tokens","limit":100,"duration":`+month+`,"autoApply":false}]`)
	check := func(title, members string) { g.post(title, "keys.verifyKey", `{"key":"%s"%s}`, key, members) }
	check("valid", ``)
	check("named limits, tags", `,"tags":["a","b"],"ratelimits":[{"name":"tokens","cost":7},{"name":"own","limit":2,"duration":`+month+`},{"name":"requests","cost":0}]`)
	check("permissions", `,"permissions":"docs.read AND (docs.write or *)"`)
	check("over a limit, and none is charged", `,"ratelimits":[{"name":"tokens","cost":94}]`)
	check("which this shows", `,"ratelimits":[{"name":"tokens","cost":93}]`)
	check("insufficient permissions", `,"permissions":"docs.*"`)
	_, poor := g.key(api, `,"credits":{"remaining":3}`)
	g.post("costs too much", "keys.verifyKey", `{"key":"%s","credits":{"cost":10}}`, poor)
	g.post("costs all", "keys.verifyKey", `{"key":"%s","credits":{"cost":3}}`, poor)
	g.post("costs nothing", "keys.verifyKey", `{"key":"%s","credits":{"cost":0}}`, poor)
	_, off := g.key(api, `,"enabled":false,"expires":1,"credits":{"remaining":0}`)
	g.post("disabled before expired", "keys.verifyKey", `{"key":"%s"}`, off)
	_, over := g.key(api, `,"expires":1`)
	g.post("expired", "keys.verifyKey", `{"key":"%s"}`, over)
	g.post("unknown", "keys.verifyKey", `{"key":"nobody"}`)
	g.as("api.*.read_key").post("missing right is an unknown key", "keys.verifyKey", `{"key":"%s"}`, key)
	talk{g.Stranger()}.post("another workspace's", "keys.verifyKey", `{"key":"%s"}`, key)
	check("a limit that is not there", `,"ratelimits":[{"name":"nope"}]`)
	check("a limit of nothing", `,"ratelimits":[{"name":"own","limit":0,"duration":1000}]`)
	check("a window under a second", `,"ratelimits":[{"name":"own","limit":1,"duration":999}]`)
	check("a window over thirty days", `,"ratelimits":[{"name":"own","limit":1,"duration":2592000001}]`)
	check("broken query", `,"permissions":"docs.read AND"`)
	check("foreign query", `,"permissions":"docs.read && docs.write"`)
	check("a member of v1", `,"apiId":"api_x"`)
	check("negative cost", `,"credits":{"cost":-1}`)
	g.as().post("no root key", "keys.verifyKey", `{"key":"%s"}`, key)
	talk{g.With("unknown_root_key", "a root key that does not exist")}.post("unknown root key", "keys.verifyKey", `{"key":"%s","permissions":"a AND"}`, key)
	talk{g.With(key, "a key that is no root key")}.post("no root key", "keys.verifyKey", `{"key":"%s"}`, key)
}

func TestGoldenKeys(t *testing.T) {
	g := newTalk(t, "keys")
	api := g.api()
	id, key := g.key(api, `,"name":"n","externalId":"user_1","meta":{"a":1},"expires":4102444800000,"credits":{"remaining":10,"refill":{"interval":"daily","amount":10}}`)
	read := func(title string) { g.post(title, "keys.getKey", `{"keyId":"%s"}`, id) }
	update := func(title, members string) { g.post(title, "keys.updateKey", `{"keyId":"%s"%s}`, id, members) }
	update("nothing", ``)
	update("much", `,"name":"m","externalId":"user_2","meta":{"b":2},"enabled":false,"roles":[],"permissions":["a"],"credits":{"remaining":20},"ratelimits":[{"name":"aaa","limit":1,"duration":1000,"autoApply":true}]`)
	read("and the refill stays")
	update("clear", `,"name":null,"externalId":null,"meta":null,"expires":null,"credits":null,"ratelimits":[],"permissions":[],"enabled":true`)
	read("cleared")
	update("a balance again, with a refill", `,"credits":{"remaining":1,"refill":{"interval":"monthly","amount":5,"refillDay":1}}`)
	update("no refill", `,"credits":{"refill":null}`)
	read("a balance without a refill")
	update("a daily refill has no day", `,"credits":{"refill":{"interval":"daily","amount":5,"refillDay":1}}`)
	update("a monthly one has", `,"credits":{"refill":{"interval":"monthly","amount":5}}`)
	update("unlimited and refilled", `,"credits":{"remaining":null,"refill":{"interval":"daily","amount":5}}`)
	update("null is not a list", `,"permissions":null`)
	credits := func(title, members string) { g.post(title, "keys.updateCredits", `{"keyId":"%s",%s}`, id, members) }
	credits("set", `"operation":"set","value":10`)
	credits("increment", `"operation":"increment","value":5`)
	credits("decrement stops at nothing", `"operation":"decrement","value":500`)
	credits("increment by what?", `"operation":"increment"`)
	credits("unlimited", `"operation":"set","value":null`)
	credits("nothing to decrement", `"operation":"decrement","value":1`)
	credits("what?", `"operation":"add","value":1`)
	g.post("who is it", "keys.whoami", `{"key":"%s"}`, key)
	g.post("nobody", "keys.whoami", `{"key":"nobody"}`)
	g.post("no key", "keys.whoami", `{"key":""}`)
	g.as("api.*.verify_key").post("missing right is an unknown key", "keys.whoami", `{"key":"%s"}`, key)
	g.post("decrypt what was not kept", "keys.getKey", `{"keyId":"%s","decrypt":true}`, id)
	g.as("api.*.read_key").post("missing right to decrypt", "keys.getKey", `{"keyId":"%s","decrypt":true}`, id)
	g.as("api.*.create_key").post("missing right", "keys.getKey", `{"keyId":"%s"}`, id)
	g.post("no id", "keys.getKey", `{"keyId":"no id"}`)
	reroll := g.post("reroll", "keys.rerollKey", `{"keyId":"%s","expiration":0,"extra":"is let through"}`, id)
	g.post("the old one has ended", "keys.verifyKey", `{"key":"%s"}`, key)
	g.post("the new one has not", "keys.verifyKey", `{"key":"%s"}`, reroll.Text("data.key"))
	g.post("reroll what has ended", "keys.rerollKey", `{"keyId":"%s","expiration":0}`, id)
	next := reroll.Text("data.keyId")
	again := func(title, key string, expiration int) golden.Answer {
		return g.Exchange(title, "POST", "/v2/keys.rerollKey", fmt.Sprintf(`{"keyId":"%s","expiration":%d}`, next, expiration), "Idempotency-Key: "+key)
	}
	once := again("reroll it, and again if need be", "8e03978e-40d5", 60_000)
	g.post("both are one key", "keys.verifyKey", `{"key":"%s"}`, reroll.Text("data.key"))
	twice := again("again", "8e03978e-40d5", 60_000)
	g.post("what was lost", "keys.verifyKey", `{"key":"%s"}`, once.Text("data.key"))
	g.post("what came again", "keys.verifyKey", `{"key":"%s"}`, twice.Text("data.key"))
	again("again with something else", "8e03978e-40d5", 0)
	again("not a key", "\u00e9", 60_000)
	g.post("reroll when?", "keys.rerollKey", `{"keyId":"%s"}`, id)
	g.post("delete", "keys.deleteKey", `{"keyId":"%s"}`, id)
	g.post("it is gone", "keys.deleteKey", `{"keyId":"%s"}`, id)
	talk{g.Stranger()}.post("another workspace deletes what is left of it", "keys.deleteKey", `{"keyId":"%s","permanent":true}`, id)
	g.post("what is left of it", "keys.deleteKey", `{"keyId":"%s","permanent":true}`, id)
	g.post("nothing is left of it", "keys.deleteKey", `{"keyId":"%s","permanent":true}`, id)
	g.post("delete what?", "keys.deleteKey", `{}`)
	update("it is gone", `,"name":"x"`)
	credits("it is gone", `"operation":"set","value":10`)
	g.post("it is gone", "keys.rerollKey", `{"keyId":"%s","expiration":0}`, id)
	g.post("it is gone", "keys.verifyKey", `{"key":"%s"}`, key)
}

func TestGoldenAttach(t *testing.T) {
	g := newTalk(t, "attach")
	id, _ := g.key(g.api(), ``)
	g.post("a role", "permissions.createRole", `{"name":"admin","description":"may all","permissions":["docs.write"]}`)
	g.post("a role", "permissions.createRole", `{"name":"reader"}`)
	do := func(title, operation, members string) {
		g.list(title, "keys."+operation, `{"keyId":"%s",%s}`, id, members)
	}
	do("add", "addPermissions", `"permissions":["b","a","a"]`)
	do("add another", "addPermissions", `"permissions":["c"]`)
	do("remove, also one that it does not have", "removePermissions", `"permissions":["b","docs.write"]`)
	do("remove what does not exist", "removePermissions", `"permissions":["nope"]`)
	do("set", "setPermissions", `"permissions":["d"]`)
	do("set to none", "setPermissions", `"permissions":[]`)
	do("add none", "addPermissions", `"permissions":[]`)
	do("a bad slug", "setPermissions", `"permissions":["a b"]`)
	do("a bad slug", "removePermissions", `"permissions":["a b"]`)
	do("add", "addRoles", `"roles":["admin"]`)
	do("add what does not exist", "addRoles", `"roles":["nope"]`)
	do("add none", "addRoles", `"roles":[]`)
	do("set", "setRoles", `"roles":["reader","admin"]`)
	do("set to nobody's", "setRoles", `"roles":[""]`)
	do("remove", "removeRoles", `"roles":["admin"]`)
	do("remove what does not exist", "removeRoles", `"roles":["nope"]`)
	do("remove none", "removeRoles", `"roles":[]`)
	do("set to none", "setRoles", `"roles":[]`)
	g.as("api.*.update_key").list("missing right", "keys.addPermissions", `{"keyId":"%s","permissions":["a"]}`, id)
	g.as("api.*.update_key", "rbac.*.add_permission_to_key").list("missing right to make one", "keys.addPermissions", `{"keyId":"%s","permissions":["new"]}`, id)
	g.list("unknown key", "keys.addPermissions", `{"keyId":"key_unknown","permissions":["a"]}`)
}

func TestGoldenIdentities(t *testing.T) {
	g := newTalk(t, "identities")
	const limits = `"ratelimits":[{"name":"requests","limit":10,"duration":1000,"autoApply":true}]`
	id := g.post("create", "identities.createIdentity", `{"externalId":"user_1","meta":{"a":1},%s,"extra":"is let through"}`, limits).Text("data.identityId")
	g.post("it is taken", "identities.createIdentity", `{"externalId":"user_1"}`)
	g.post("bad external id", "identities.createIdentity", `{"externalId":"user 1"}`)
	g.post("two limits of a name", "identities.createIdentity", `{"externalId":"user_2","ratelimits":[{"name":"aaa","limit":1,"duration":1000,"autoApply":true},{"name":"aaa","limit":1,"duration":1000,"autoApply":true}]}`)
	g.post("read by id", "identities.getIdentity", `{"identity":"%s"}`, id)
	g.post("read by external id", "identities.getIdentity", `{"identity":"user_1"}`)
	g.post("unknown", "identities.getIdentity", `{"identity":"nobody"}`)
	g.post("read whom?", "identities.getIdentity", `{}`)
	g.post("change", "identities.updateIdentity", `{"identity":"user_1","meta":{"b":2},"ratelimits":[{"name":"requests","limit":20,"duration":1000,"autoApply":false}]}`)
	g.post("change nothing", "identities.updateIdentity", `{"identity":"user_1"}`)
	g.post("two limits of a name", "identities.updateIdentity", `{"identity":"user_1","ratelimits":[{"name":"aaa","limit":1,"duration":1000,"autoApply":true},{"name":"aaa","limit":1,"duration":1000,"autoApply":true}]}`)
	g.post("no limits", "identities.updateIdentity", `{"identity":"user_1","meta":{},"ratelimits":[]}`)
	g.post("change whom?", "identities.updateIdentity", `{"identity":"nobody"}`)
	g.post("one more", "identities.createIdentity", `{"externalId":"USER_2"}`)
	g.list("list", "identities.listIdentities", `{}`)
	g.list("search", "identities.listIdentities", `{"search":"user_2"}`)
	g.post("too many", "identities.listIdentities", `{"limit":101}`)
	g.post("delete", "identities.deleteIdentity", `{"identity":"user_1"}`)
	g.post("it is gone", "identities.deleteIdentity", `{"identity":"user_1"}`)
	g.post("delete whom?", "identities.deleteIdentity", `{"identity":""}`)
	g.as("identity.*.read_identity").post("missing right", "identities.createIdentity", `{"externalId":"user_3"}`)
}

func TestGoldenPermissions(t *testing.T) {
	g := newTalk(t, "permissions")
	id := g.post("create", "permissions.createPermission", `{"name":"Read docs","slug":"docs.read","description":"all of them"}`).Text("data.permissionId")
	g.post("it is taken, whatever its case", "permissions.createPermission", `{"name":"Read docs","slug":"DOCS.read"}`)
	g.post("bad slug", "permissions.createPermission", `{"name":"x","slug":"a b"}`)
	g.post("read by id", "permissions.getPermission", `{"permission":"%s"}`, id)
	g.post("read by slug", "permissions.getPermission", `{"permission":"docs.read"}`)
	g.post("unknown", "permissions.getPermission", `{"permission":"nope"}`)
	g.post("read what?", "permissions.getPermission", `{}`)
	g.list("list", "permissions.listPermissions", `{}`)
	g.list("search", "permissions.listPermissions", `{"search":"THEM","limit":10}`)
	g.post("too few", "permissions.listPermissions", `{"limit":0}`)
	role := g.post("create", "permissions.createRole", `{"name":"admin","description":"may all","permissions":["docs.read","docs.write"]}`).Text("data.roleId")
	g.post("it is taken", "permissions.createRole", `{"name":"admin"}`)
	g.post("it is taken but for its case", "permissions.createRole", `{"name":"ADMIN"}`)
	g.post("read by another spelling", "permissions.getRole", `{"role":"Admin"}`)
	g.post("bad name", "permissions.createRole", `{"name":""}`)
	g.post("read by id", "permissions.getRole", `{"role":"%s"}`, role)
	g.post("read by name", "permissions.getRole", `{"role":"admin"}`)
	g.post("unknown", "permissions.getRole", `{"role":"nope"}`)
	g.post("read what?", "permissions.getRole", `{}`)
	g.list("list", "permissions.listRoles", `{}`)
	g.post("a number", "permissions.listRoles", `{"search":7}`)
	g.list("set", "permissions.setRolePermissions", `{"roleId":"%s","permissions":["docs.write","docs.delete"]}`, role)
	g.list("set to none", "permissions.setRolePermissions", `{"roleId":"%s","permissions":[]}`, role)
	g.list("unknown", "permissions.setRolePermissions", `{"roleId":"role_unknown","permissions":[]}`)
	g.post("set to what?", "permissions.setRolePermissions", `{"roleId":"%s"}`, role)
	g.post("delete", "permissions.deleteRole", `{"role":"admin"}`)
	g.post("it is gone", "permissions.deleteRole", `{"role":"admin"}`)
	g.post("delete what?", "permissions.deleteRole", `{}`)
	g.post("delete", "permissions.deletePermission", `{"permission":"docs.read"}`)
	g.post("it is gone", "permissions.deletePermission", `{"permission":"docs.read"}`)
	g.post("delete what?", "permissions.deletePermission", `{}`)
	g.as("rbac.*.create_role").post("missing right to give it permissions", "permissions.createRole", `{"name":"x","permissions":["a"]}`)
}

func TestGoldenRatelimits(t *testing.T) {
	g := newTalk(t, "ratelimits")
	use := func(title, members string) golden.Answer {
		return g.post(title, "ratelimit.limit", `{"namespace":"mail","duration":%s,"limit":3,%s}`, month, members)
	}
	use("the first use makes the namespace", `"identifier":"u1"`)
	use("costs", `"identifier":"u1","cost":2`)
	use("over", `"identifier":"u1"`)
	use("a look costs nothing", `"identifier":"u1","cost":0`)
	use("nobody", `"identifier":""`)
	g.post("no limit", "ratelimit.limit", `{"namespace":"mail","identifier":"u1","duration":999,"limit":0}`)
	g.as("ratelimit.*.limit").post("missing right to make one", "ratelimit.limit", `{"namespace":"post","identifier":"u1","duration":1000,"limit":1}`)
	g.as("ratelimit.*.set_override").post("missing right", "ratelimit.limit", `{"namespace":"mail","identifier":"u1","duration":1000,"limit":1}`)
	g.post("set", "ratelimit.setOverride", `{"namespace":"mail","identifier":"u*","duration":%s,"limit":5}`, month)
	g.post("block", "ratelimit.setOverride", `{"namespace":"mail","identifier":"u2","duration":1000,"limit":0}`)
	g.post("set nothing", "ratelimit.setOverride", `{"namespace":"mail","identifier":"u2","duration":999,"limit":-1}`)
	use("overridden", `"identifier":"u1","cost":2`)
	use("blocked", `"identifier":"u2","cost":0`)
	g.post("read", "ratelimit.getOverride", `{"namespace":"mail","identifier":"u77"}`)
	g.post("none", "ratelimit.getOverride", `{"namespace":"mail","identifier":"x"}`)
	g.post("whose?", "ratelimit.getOverride", `{"namespace":"mail"}`)
	g.as("ratelimit.*.limit").post("missing right is an unknown namespace", "ratelimit.getOverride", `{"namespace":"mail","identifier":"u2"}`)
	g.list("list", "ratelimit.listOverrides", `{"namespace":"mail"}`)
	g.post("an unknown namespace", "ratelimit.listOverrides", `{"namespace":"nope"}`)
	g.post("too many", "ratelimit.listOverrides", `{"namespace":"mail","limit":101}`)
	many := func(title, members string) {
		g.post(title, "ratelimit.multiLimit", `[{"namespace":"mail","identifier":"m1","duration":%[1]s,"limit":3},{"namespace":"other","identifier":"m2","duration":%[1]s,"limit":1%[2]s}]`, month, members)
	}
	many("both", ``)
	many("not both, and none is taken", ``)
	many("a look at one", `,"cost":0`)
	g.post("none", "ratelimit.multiLimit", `[]`)
	g.post("delete what a pattern fits", "ratelimit.deleteOverride", `{"namespace":"mail","identifier":"u77"}`)
	g.post("delete", "ratelimit.deleteOverride", `{"namespace":"mail","identifier":"u2"}`)
	g.post("whose?", "ratelimit.deleteOverride", `{"namespace":"mail"}`)
	if err := g.Store.DeleteNamespace(t.Context(), keys.Operator(g.Workspace).As(), keys.NamespaceRef{Name: "other"}); err != nil {
		t.Fatal(err)
	}
	g.post("a namespace that was deleted", "ratelimit.limit", `{"namespace":"other","identifier":"u1","duration":1000,"limit":1}`)
}

func TestGoldenAnalytics(t *testing.T) {
	g := newTalk(t, "analytics")
	for _, operation := range []string{"analytics.getVerifications", "analytics.getRatelimits"} {
		g.post("not set up", operation, `{"query":"SELECT 1"}`)
		g.post("no query", operation, `{}`)
		g.as("api.*.read_api").post("missing right", operation, `{"query":"SELECT 1"}`)
	}
}

func TestGoldenMigrateKeys(t *testing.T) {
	g := newTalk(t, "migratekeys")
	for id, algorithm := range map[string]string{"from_sha": keys.SHA256, "from_seam": keys.PrefixedAPIKey} {
		if _, err := g.Store.CreateMigration(t.Context(), g.Workspace, id, algorithm); err != nil {
			t.Fatal(err)
		}
	}
	api := g.api()
	const one = "ci3Chqk3mABVqjE3wW9aE0RAvtCh8BUrrPf2ytT51/g=" // of "migrated_key_0001"
	migrate := func(title, migration, items string) golden.Answer {
		return g.post(title, "keys.migrateKeys", `{"migrationId":"%s","apiId":"%s","keys":[%s]}`, migration, api, items)
	}
	migrate("new and twice", "from_sha", `{"hash":"`+one+`","name":"n","externalId":"user_1","permissions":["a"],"meta":{"a":1},"enabled":true,
"credits":{"remaining":5,"refill":{"interval":"daily","amount":5}},"ratelimits":[{"name":"aaa","limit":10,"duration":1000,"autoApply":true}]},{"hash":"`+one+`"}`)
	g.post("it verifies", "keys.verifyKey", `{"key":"migrated_key_0001"}`)
	migrate("of seamapi", "from_seam", `{"hash":"de0ad7a07ecaf1f1b2bd4e6b71d4d5bc2ad4b51b1e3a6b4a7ae30d3c1d0c4a0e"}`)
	g.post("not the one", "keys.verifyKey", `{"key":"co_short_long","migrationId":"from_seam"}`)
	migrate("not base64", "from_sha", `{"hash":"nope"}`)
	migrate("none", "from_sha", ``)
	migrate("unknown migration", "nobody_knows", `{"hash":"`+one+`"}`)
	migrate("unknown role", "from_sha", `{"hash":"`+one+`","roles":["nope"]}`)
	g.post("unknown API", "keys.migrateKeys", `{"migrationId":"from_sha","apiId":"api_unknown","keys":[{"hash":"x=="}]}`)
	g.as("api.*.read_key").post("missing right", "keys.migrateKeys", `{"migrationId":"from_sha","apiId":"%s","keys":[{"hash":"x=="}]}`, api)
}
