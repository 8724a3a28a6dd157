package unkeyv1_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"tollgate/keys"
)

// hashed is the hash of a plaintext as migrations take it.
func hashed(plain string) string {
	return fmt.Sprintf(`"hash":{"value":%q,"variant":"sha256_base64"}`, keys.NewSecret(plain).Digest())
}

func newAPI(g *golden) string {
	g.t.Helper()
	status, body := g.send("POST", "/v1/apis.createApi", `{"name":"golden"}`)
	var made struct{ APIID string }
	if err := json.Unmarshal(body, &made); err != nil || status != 200 {
		g.t.Fatalf("%d %s", status, body)
	}
	return made.APIID
}

func TestGoldenListKeys(t *testing.T) {
	g := newGolden(t, "listkeys")
	api := newAPI(g)
	path := "/v1/apis.listKeys?apiId=" + api
	g.get("an empty API", path)
	g.post("a permission", "/v1/permissions.createPermission", `{"name":"docs.read"}`)
	g.post("three keys", "/v1/migrations.createKeys", `[
{"apiId":"`+api+`","start":"one_","name":"one",`+hashed("first")+`,"externalId":"user_1","environment":"test","meta":{"a":1},"permissions":["docs.read"],
 "remaining":5,"refill":{"interval":"monthly","amount":9},"ratelimit":{"limit":3,"refillRate":3,"refillInterval":60000}},
{"apiId":"`+api+`","start":"two_",`+hashed("second")+`,"ownerId":"user_1","expires":4102444800000,"enabled":false},
{"apiId":"`+api+`","start":"three_",`+hashed("third")+`}]`)
	g.list("all", path+"&revalidateKeysCache=true", "keys")
	g.list("an identity's", path+"&externalId=user_1", "keys")
	g.list("an owner's", path+"&ownerId=user_1&limit=2&decrypt=false", "keys")
	g.get("of nobody", path+"&externalId=nobody")
	g.get("behind the last", path+"&cursor=key_zzzzzzzzzzzzzzzzz")
	g.get("a broken cursor", path+"&cursor=zzz")
	g.get("a cursor of another kind", path+"&cursor=perm_zzzzzzzzzzzzzzzzz")
	g.get("limit 0", path+"&limit=0")
	g.get("limit 101", path+"&limit=101")
	g.get("empty owner", path+"&ownerId=")
	g.get("no API", "/v1/apis.listKeys")
	g.get("unknown", "/v1/apis.listKeys?apiId=api_unknown")
	g.stranger().get("another workspace's", path)
	g.as("api.*.read_key").get("without read_api", path)
	g.as("api.*.read_api").get("without read_key", path)
	g.as("api.*.read_api", "api.*.read_key").get("without decrypt_key", path+"&decrypt=true")
	g.as("api."+api+".read_api", "api."+api+".read_key").list("right over this one", path, "keys")
	g.as().get("no root key", path)
}

func TestGoldenDeleteAPI(t *testing.T) {
	g := newGolden(t, "deleteapi")
	api := newAPI(g)
	g.post("two keys", "/v1/migrations.createKeys", `[{"apiId":"`+api+`",`+hashed("first")+`},{"apiId":"`+api+`",`+hashed("second")+`}]`)
	g.post("a key verifies", "/v1/keys.verifyKey", `{"key":"first"}`)
	body := `{"apiId":"` + api + `"}`
	g.as("api.*.delete_key").post("missing right", "/v1/apis.deleteApi", body)
	g.stranger().post("another workspace's", "/v1/apis.deleteApi", body)
	g.as().post("no root key", "/v1/apis.deleteApi", body)
	g.post("no API", "/v1/apis.deleteApi", `{}`)
	protect(g, api, true)
	g.post("protected", "/v1/apis.deleteApi", body)
	protect(g, api, false)
	g.as("api."+api+".delete_api").post("delete", "/v1/apis.deleteApi", body)
	g.post("its keys ended with it", "/v1/keys.verifyKey", `{"key":"first"}`)
	g.get("it is gone", "/v1/apis.getApi?apiId="+api)
	g.get("its keys are gone", "/v1/apis.listKeys?apiId="+api)
	g.post("no new key", "/v1/keys.createKey", body)
	g.post("twice", "/v1/apis.deleteApi", body)
}

func protect(g *golden, api string, yes bool) {
	g.t.Helper()
	if err := g.Store.ProtectAPI(g.t.Context(), keys.Operator(g.Workspace).As(), api, yes); err != nil {
		g.t.Fatal(err)
	}
}

func TestGoldenDeleteKeys(t *testing.T) {
	g := newGolden(t, "deletekeys")
	api := newAPI(g)
	two := `[{"apiId":"` + api + `",` + hashed("first") + `},{"apiId":"` + api + `",` + hashed("second") + `}]`
	g.post("two keys", "/v1/migrations.createKeys", two)
	g.as("api.*.delete_api").post("missing right", "/v1/apis.deleteKeys", `{"apiId":"`+api+`"}`)
	g.stranger().post("another workspace's", "/v1/apis.deleteKeys", `{"apiId":"`+api+`"}`)
	g.as().post("no root key", "/v1/apis.deleteKeys", `{"apiId":"`+api+`"}`)
	g.post("permanent is no boolean", "/v1/apis.deleteKeys", `{"apiId":"`+api+`","permanent":1}`)
	g.post("unknown API", "/v1/apis.deleteKeys", `{"apiId":"api_unknown"}`)
	g.post("for good", "/v1/apis.deleteKeys", `{"apiId":"`+api+`","permanent":true}`)
	g.post("one does not verify", "/v1/keys.verifyKey", `{"key":"first"}`)
	g.post("the hashes are free again", "/v1/migrations.createKeys", two)
	g.as("api."+api+".delete_key").post("softly", "/v1/apis.deleteKeys", `{"apiId":"`+api+`"}`)
	g.post("one does not verify", "/v1/keys.verifyKey", `{"key":"second"}`)
	g.post("the hashes stay taken", "/v1/migrations.createKeys", two)
	g.post("none left", "/v1/apis.deleteKeys", `{"apiId":"`+api+`"}`)
}

func TestGoldenLegacy(t *testing.T) {
	g := newGolden(t, "legacy")
	api := newAPI(g)
	made := g.post("create", "/v1/keys", `{"apiId":"`+api+`","prefix":"old","name":"n","ownerId":"o","meta":{"a":1},"byteLength":24,
"expires":4102444800000,"remaining":1,"ratelimit":{"type":"fast","limit":3,"refillRate":3,"refillInterval":86400000}}`)
	key := made.text("key")
	verify := func(title, body string) {
		t.Helper()
		g.as().post(title, "/v1/keys/verify", body)
	}
	verify("verify", `{"key":"`+key+`"}`)
	verify("used up", `{"key":"`+key+`"}`)
	verify("another API's", `{"key":"`+key+`","apiId":"api_other"}`)
	verify("unknown", `{"key":"nobody's"}`)
	verify("empty", `{"key":""}`)
	g.send("POST", "/v1/keys.updateKey", `{"keyId":"`+made.text("keyId")+`","expires":1}`)
	verify("expired", `{"key":"`+key+`"}`)
	g.as("api.*.read_key").post("missing right", "/v1/keys", `{"apiId":"`+api+`"}`)
	g.stranger().post("another workspace's API", "/v1/keys", `{"apiId":"`+api+`"}`)
	g.as().post("no root key", "/v1/keys", `{"apiId":"`+api+`"}`)
	g.post("long prefix", "/v1/keys", `{"apiId":"`+api+`","prefix":"ninechars"}`)
	g.post("a limit without its interval", "/v1/keys", `{"apiId":"`+api+`","ratelimit":{"limit":3,"refillRate":3}}`)

	list := "/v1/apis/" + api + "/keys"
	g.send("POST", "/v1/apis.deleteKeys", `{"apiId":"`+api+`"}`)
	g.send("POST", "/v1/migrations.createKeys", `[{"apiId":"`+api+`","start":"one_",`+hashed("first")+`},{"apiId":"`+api+`","start":"two_",`+hashed("second")+`,"ownerId":"o"}]`)
	g.list("list", list, "keys")
	g.list("an owner's", list+"?ownerId=o", "keys")
	g.list("behind two", list+"?offset=2&limit=1", "keys")
	g.get("limit 101", list+"?limit=101")
	g.get("negative offset", list+"?offset=-1")
	g.get("unknown API", "/v1/apis/api_unknown/keys")
	g.stranger().get("another workspace's API", list)
	g.as("api.*.read_key").get("missing right", list)
	g.as().get("no root key", list)
}

func TestGoldenMigrations(t *testing.T) {
	g := newGolden(t, "migrations")
	api := newAPI(g)
	item := func(rest string) string { return `[{"apiId":"` + api + `",` + rest + `}]` }
	const create = "/v1/migrations.createKeys"
	g.send("POST", "/v1/permissions.createRole", `{"name":"admin"}`)
	g.send("POST", "/v1/permissions.createPermission", `{"name":"docs.read"}`)
	made := g.post("by hash, with everything", create, item(hashed("first")+`,"prefix":"pre","start":"pre_fir","name":"n","ownerId":"o","externalId":"e","meta":{"a":1},
"roles":["admin"],"permissions":["docs.read"],"expires":4102444800000,"remaining":5,"refill":{"interval":"daily","amount":9},
"ratelimit":{"async":true,"type":"consistent","limit":3,"refillRate":3,"refillInterval":60000},"enabled":true,"environment":"test"`))
	ids, _ := made.body.(map[string]any)["keyIds"].([]any)
	g.get("it reads back", "/v1/keys.getKey?keyId="+ids[0].(string))
	g.post("by plaintext", create, item(`"plaintext":"sk_live_0123456789"`))
	g.post("it verifies", "/v1/keys.verifyKey", `{"key":"sk_live_0123456789","remaining":{"cost":0}}`)
	g.post("none", create, `[]`)
	g.post("a hash that is taken, and one that is not", create, `[{"apiId":"`+api+`",`+hashed("fresh")+`},{"apiId":"`+api+`",`+hashed("first")+`}]`)
	g.post("nothing was stored", "/v1/keys.verifyKey", `{"key":"fresh"}`)
	g.post("a hash twice", create, `[{"apiId":"`+api+`",`+hashed("fresh")+`},{"apiId":"`+api+`","plaintext":"fresh"}]`)
	g.post("unknown role", create, item(hashed("fresh")+`,"roles":["admin","nobody"]`))
	g.post("unknown permission", create, item(hashed("fresh")+`,"permissions":["docs.write"]`))
	g.post("neither hash nor plaintext", create, item(`"name":"n"`))
	g.post("a plaintext and the hash of another", create, item(`"plaintext":"fresh",`+hashed("other")))
	g.post("no SHA-256", create, item(`"hash":{"value":"`+base64.StdEncoding.EncodeToString([]byte("short"))+`","variant":"sha256_base64"}`))
	g.post("another variant", create, item(`"hash":{"value":"x","variant":"md5"}`))
	g.post("a refill without remaining", create, item(hashed("fresh")+`,"refill":{"interval":"daily","amount":9}`))
	g.post("a daily refill with a day", create, item(hashed("fresh")+`,"remaining":1,"refill":{"interval":"daily","amount":9,"refillDay":3}`))
	g.post("remaining 0", create, item(hashed("fresh")+`,"remaining":0`))
	g.post("an object", create, `{"apiId":"`+api+`"}`)
	many := strings.Repeat(strings.Trim(item(hashed("fresh")), "[]")+",", 101)
	if status, got := g.send("POST", create, "["+strings.TrimSuffix(many, ",")+"]"); status != 400 || !strings.Contains(string(got), "at most 100 items") {
		t.Errorf("101 keys: %d %s", status, got)
	}
	g.post("unknown API", create, `[{"apiId":"api_unknown",`+hashed("fresh")+`}]`)
	g.stranger().post("another workspace's API", create, item(hashed("fresh")))
	g.as("api.*.read_key").post("missing right", create, item(hashed("fresh")))
	g.as().post("no root key", create, item(hashed("fresh")))

	const enqueue = "/v1/migrations.enqueueKeys"
	batch := `{"migrationId":"m","apiId":"` + api + `","keys":[{` + hashed("first") + `},{` + hashed("queued") + `,"remaining":2,"ratelimit":{"limit":3,"duration":60000}}]}`
	g.as("api."+api+".create_key").post("enqueue", enqueue, batch)
	g.post("it is there already", "/v1/keys.verifyKey", `{"key":"queued"}`)
	g.post("enqueue again", enqueue, batch)
	g.post("it was left as it is", "/v1/keys.verifyKey", `{"key":"queued"}`)
	g.post("none", enqueue, `{"migrationId":"m","apiId":"`+api+`","keys":[]}`)
	g.post("no migration", enqueue, `{"apiId":"`+api+`","keys":[]}`)
	g.post("unknown role", enqueue, `{"migrationId":"m","apiId":"`+api+`","keys":[{`+hashed("fresh")+`,"roles":["nobody"]}]}`)
	g.post("bad hash", enqueue, `{"migrationId":"m","apiId":"`+api+`","keys":[{"hash":{"value":"x","variant":"sha256_base64"}}]}`)
	g.stranger().post("another workspace's API", enqueue, batch)
	g.as("api.*.read_key").post("missing right", enqueue, batch)
	g.as().post("no root key", enqueue, batch)
	g.get("the keys", "/v1/apis.listKeys?apiId="+api+"&limit=1&cursor=key_zzzzzzzzzzzzzzzzz")
}
