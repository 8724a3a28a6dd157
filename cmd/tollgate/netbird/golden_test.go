package netbird_test

import (
	"fmt"
	"log/slog"
	"testing"

	"tollgate/cmd/tollgate/golden"
	"tollgate/cmd/tollgate/netbird"
	"tollgate/cmd/tollgate/web"
	"tollgate/keys/setupkeys"
	"tollgate/keys/store"
	"tollgate/verify"
)

func serve(store *store.Store, verifier *verify.Verifier) *web.Router {
	return serveWith(netbird.Options{Log: slog.New(slog.DiscardHandler)})(store, verifier)
}

func serveWith(o netbird.Options) golden.Serve {
	return func(store *store.Store, verifier *verify.Verifier) *web.Router {
		api := netbird.New(setupkeys.New(store), verifier, o)
		router := web.NewRouter(api.Dialect())
		router.Add(api.Dialect(), api.Routes()...)
		return router
	}
}

// talk is a conversation with NetBird's API.
type talk struct{ *golden.Caller }

func newTalk(t *testing.T, name string) talk {
	t.Helper()
	return talk{golden.New(t, name, serve)}
}

func (g talk) as(grants ...string) talk { return talk{g.As(grants...)} }

// post and put fill the body's %s with args.
func (g talk) post(title, path, body string, args ...any) golden.Answer {
	return g.Post(title, "/api/"+path, fmt.Sprintf(body, args...))
}

func (g talk) put(title, path, body string, args ...any) golden.Answer {
	return g.Exchange(title, "PUT", "/api/"+path, fmt.Sprintf(body, args...))
}

func (g talk) get(title, path string) golden.Answer { return g.Get(title, "/api/"+path) }

func (g talk) delete(title, path string) golden.Answer {
	return g.Exchange(title, "DELETE", "/api/"+path, "")
}

func (g talk) group(name string) string {
	return g.post("a group", "groups", `{"name":"%s"}`, name).Text("id")
}

func TestGoldenSetupKeys(t *testing.T) {
	g := newTalk(t, "setupkeys")
	g.get("none yet", "setup-keys")
	servers := g.group("servers")
	made := g.post("everything said", "setup-keys",
		`{"name":"Laptops","type":"reusable","expires_in":86400,"auto_groups":["%s"],"usage_limit":5,"ephemeral":true,"allow_extra_dns_labels":true}`, servers)
	id := made.Text("id")
	g.post("one-off", "setup-keys", `{"name":"Laptops","type":"one-off","expires_in":0,"auto_groups":[],"usage_limit":0}`)
	g.post("what the dashboard sends for unlimited", "setup-keys",
		`{"name":"d","type":"reusable","expires_in":604800,"revoked":false,"auto_groups":[],"usage_limit":null,"ephemeral":false,"allow_extra_dns_labels":false}`)
	g.get("read", "setup-keys/"+id)
	g.get("listed", "setup-keys")
	g.put("other groups, the rest ignored", "setup-keys/"+id, `{"name":"x","type":"one-off","usage_limit":9,"auto_groups":[],"revoked":false}`)
	g.put("revoked", "setup-keys/"+id, `{"auto_groups":["%s"],"revoked":true}`, servers)
	g.put("revoked again", "setup-keys/"+id, `{"auto_groups":["%s"],"revoked":true}`, servers)
	g.put("nothing said of revoked", "setup-keys/"+id, `{"auto_groups":[]}`)
	g.put("un-revoked", "setup-keys/"+id, `{"auto_groups":[],"revoked":false}`)
	g.Exchange("deleted", "DELETE", "/api/setup-keys/"+id, `""`)
	g.delete("deleted again", "setup-keys/"+id)
	g.get("gone", "setup-keys/"+id)
	g.put("gone", "setup-keys/"+id, `{"auto_groups":[],"revoked":false}`)
}

func TestGoldenSetupKeyErrors(t *testing.T) {
	g := newTalk(t, "setupkeys-errors")
	all := g.get("groups", "groups").Body.([]any)[0].(map[string]any)["id"].(string)
	create := func(title, body string, args ...any) { g.post(title, "setup-keys", body, args...) }
	create("no body", "")
	create("not JSON", "name")
	create("an array", "[]")
	create("a number as text", `{"name":"n","type":"reusable","expires_in":"1"}`)
	create("a fraction", `{"name":"n","type":"reusable","expires_in":1.5}`)
	create("null", "null")
	create("no name", `{"type":"Reusable"}`)
	create("a blank name", `{"name":"  ","type":"Reusable"}`)
	create("another type", `{"name":"n","type":"Reusable","usage_limit":-1}`)
	create("no type", `{"name":"n"}`)
	create("one-off, used twice", `{"name":"n","type":"one-off","usage_limit":2,"expires_in":-1}`)
	create("negative limit", `{"name":"n","type":"reusable","usage_limit":-1,"expires_in":-1}`)
	create("expired", `{"name":"n","type":"reusable","expires_in":-1,"auto_groups":["no"]}`)
	create("more than a hundred years", `{"name":"n","type":"reusable","expires_in":9223372036854775807}`)
	create("more than 64 bits", `{"name":"n","type":"reusable","expires_in":9223372036854775808}`)
	create("no such group", `{"name":"n","type":"reusable","auto_groups":["NoSuchGroup"]}`)
	create("All", `{"name":"n","type":"reusable","auto_groups":["%s"]}`, all)
	g.put("no groups", "setup-keys/Nobody", `{"revoked":true}`)
	g.put("no such key, nor group", "setup-keys/Nobody", `{"auto_groups":["no"],"revoked":true}`)
	g.put("no such key", "setup-keys/Nobody", `{"auto_groups":[],"revoked":true}`)
	g.get("no such key", "setup-keys/Nobody")
	g.delete("no such key", "setup-keys/Nobody")
	g.get("no such path", "setup-key")
	g.get("a slash behind it", "setup-keys/")
	g.Exchange("no such method", "PATCH", "/api/setup-keys", "{}")
}

func TestGoldenRedemption(t *testing.T) {
	g := newTalk(t, "redemption")
	servers := g.group("servers")
	made := g.post("a key", "setup-keys", `{"name":"n","type":"reusable","auto_groups":["%s","%s"],"usage_limit":2}`, servers, servers)
	id, key := made.Text("id"), made.Text("key")
	redeem := func(title, key, peer string) golden.Answer {
		return g.post(title, "setup-keys/redeem", `{"key":"%s","peer":"%s"}`, key, peer)
	}
	redeem("the first peer", key, "peer one")
	g.put("the groups change", "setup-keys/"+id, `{"auto_groups":[],"revoked":false}`)
	redeem("the second peer", key, "peer two")
	redeem("the first again", key, "peer one")
	redeem("a third", key, "peer three")
	g.post("labels", "setup-keys/redeem", `{"key":"%s","peer":"peer one","extra_dns_labels":["web.internal"]}`, key)
	redeem("nobody's", "00000000-0000-4000-8000-000000000000", "peer one")
	g.put("revoked", "setup-keys/"+id, `{"auto_groups":[],"revoked":true}`)
	redeem("revoked", key, "peer one")
	g.get("who", "setup-keys/"+id+"/redemptions")
	g.get("who, in pages", "setup-keys/"+id+"/redemptions?page=2&page_size=1")
	g.get("no such page", "setup-keys/"+id+"/redemptions?page=0")
	g.get("nobody's", "setup-keys/nobody/redemptions")
	g.post("no key", "setup-keys/redeem", `{"peer":"p"}`)
	g.post("no peer", "setup-keys/redeem", `{"key":"k"}`)
	g.post("no domain", "setup-keys/redeem", `{"key":"k","peer":"p","extra_dns_labels":["-"]}`)
	g.post("not JSON", "setup-keys/redeem", `{`)
}

func TestGoldenGroups(t *testing.T) {
	g := newTalk(t, "groups")
	all := g.get("All", "groups").Body.([]any)[0].(map[string]any)["id"].(string)
	id := g.post("made", "groups", `{"name":"Servers","peers":[],"resources":null}`).Text("id")
	g.get("read", "groups/"+id)
	g.post("the same name", "groups", `{"name":"Servers"}`)
	g.post("no name", "groups", `{}`)
	g.post("peers", "groups", `{"name":"n","peers":["p"]}`)
	g.post("resources", "groups", `{"name":"n","resources":[{"id":"r","type":"host"}]}`)
	g.put("renamed", "groups/"+id, `{"name":"servers"}`)
	g.put("not JSON", "groups/"+id, `x`)
	g.get("listed", "groups")
	g.get("by its name", "groups?name=servers")
	g.get("All by its name", "groups?name=All")
	g.get("no such name", "groups?name=Servers")
	g.post("a key", "setup-keys", `{"name":"Holder","type":"one-off","auto_groups":["%s"]}`, id)
	g.delete("held", "groups/"+id)
	g.get("All by its id", "groups/"+all)
	g.put("All is not renamed", "groups/"+all, `{"name":"x"}`)
	g.delete("All is not deleted", "groups/"+all)
	other := g.group("other")
	g.delete("deleted", "groups/"+other)
	g.delete("deleted again", "groups/"+other)
	g.get("gone", "groups/"+other)
	g.put("gone", "groups/"+other, `{"name":"x"}`)
}

// Every endpoint without a root key, without its right, and from another workspace.
func TestGoldenAccess(t *testing.T) {
	g := newTalk(t, "access")
	group := g.group("g")
	made := g.post("a key", "setup-keys", `{"name":"n","type":"reusable","auto_groups":[]}`)
	id, key := made.Text("id"), made.Text("key")
	rights := []string{"setup_keys.*.read", "setup_keys.*.create", "setup_keys.*.update", "setup_keys.*.delete", "setup_keys.*.redeem"}
	without := func(right string) talk {
		rest := []string{"api.*.read_key"}
		for _, r := range rights {
			if r != right {
				rest = append(rest, r)
			}
		}
		return g.as(rest...)
	}
	for _, row := range []struct{ right, method, path, body string }{
		{rights[0], "GET", "setup-keys", ""},
		{rights[1], "POST", "setup-keys", `{"name":"n","type":"reusable"}`},
		{rights[0], "GET", "setup-keys/" + id, ""},
		{rights[2], "PUT", "setup-keys/" + id, `{"auto_groups":[],"revoked":true}`},
		{rights[3], "DELETE", "setup-keys/" + id, ""},
		{rights[4], "POST", "setup-keys/redeem", `{"key":"` + key + `","peer":"p"}`},
		{rights[0], "GET", "setup-keys/" + id + "/redemptions", ""},
		{rights[0], "GET", "groups", ""},
		{rights[1], "POST", "groups", `{"name":"new"}`},
		{rights[0], "GET", "groups/" + group, ""},
		{rights[2], "PUT", "groups/" + group, `{"name":"other"}`},
		{rights[3], "DELETE", "groups/" + group, ""},
	} {
		path := "/api/" + row.path
		g.as().Exchange("no root key", row.method, path, row.body)
		without(row.right).Exchange("every right but "+row.right, row.method, path, row.body)
		if row.right != rights[1] {
			g.Stranger().Exchange("another workspace's", row.method, path, row.body)
		}
	}
	g.get("nothing of that did anything", "setup-keys/"+id)
	g.get("nor to groups", "groups")
}
