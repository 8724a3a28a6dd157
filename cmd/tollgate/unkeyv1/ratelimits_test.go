package unkeyv1_test

import (
	"testing"

	"tollgate/keys"
)

// Limits without a key, and each way to be refused.
func TestGoldenLimit(t *testing.T) {
	g := newGolden(t, "ratelimits_limit")
	body := `{"namespace":"email","identifier":"user_1","limit":3,"duration":86400000}`
	g.post("first use makes the namespace", "/v1/ratelimits.limit", body)
	g.post("cost, async, meta and resources are accepted", "/v1/ratelimits.limit",
		`{"namespace":"email","identifier":"user_1","limit":3,"duration":86400000,"cost":2,"async":true,"meta":{"a":1},"resources":[{"type":"project","id":"p_1","name":"one","meta":{}}]}`)
	g.post("over the limit", "/v1/ratelimits.limit", body)
	g.post("a look", "/v1/ratelimits.limit", `{"namespace":"email","identifier":"user_1","limit":3,"duration":86400000,"cost":0}`)
	g.post("without a namespace", "/v1/ratelimits.limit", `{"identifier":"user_1","limit":3,"duration":86400000}`)
	g.post("no identifier", "/v1/ratelimits.limit", `{"limit":3,"duration":86400000}`)
	g.post("empty identifier", "/v1/ratelimits.limit", `{"identifier":"","limit":3,"duration":86400000}`)
	g.post("limit 0", "/v1/ratelimits.limit", `{"identifier":"user_1","limit":0,"duration":86400000}`)
	g.post("short duration", "/v1/ratelimits.limit", `{"identifier":"user_1","limit":1,"duration":999}`)
	g.post("negative cost", "/v1/ratelimits.limit", `{"identifier":"user_1","limit":1,"duration":1000,"cost":-1}`)
	g.post("a resource without an id", "/v1/ratelimits.limit", `{"identifier":"user_1","limit":1,"duration":1000,"resources":[{"type":"project"}]}`)
	g.as("ratelimit.*.limit").post("right to use it", "/v1/ratelimits.limit", body)
	g.as("ratelimit.*.limit").post("unknown, without the right to make it", "/v1/ratelimits.limit", `{"namespace":"new","identifier":"user_1","limit":3,"duration":86400000}`)
	g.as("ratelimit.*.create_namespace").post("missing right", "/v1/ratelimits.limit", body)
	g.stranger().post("another workspace counts for itself", "/v1/ratelimits.limit", body)
	g.as().post("no root key", "/v1/ratelimits.limit", body)
}

// Overrides: set, read, listed, obeyed, deleted.
func TestGoldenOverrides(t *testing.T) {
	g := newGolden(t, "ratelimits_overrides")
	use := func(title, identifier string) {
		t.Helper()
		g.post(title, "/v1/ratelimits.limit", `{"namespace":"email","identifier":"`+identifier+`","limit":3,"duration":86400000}`)
	}
	use("the namespace's first use", "user_1")
	g.post("set one", "/v1/ratelimits.setOverride", `{"namespaceName":"email","identifier":"user_*","limit":10,"duration":86400000,"async":true}`)
	use("a pattern applies", "user_2")
	g.post("set an exact one", "/v1/ratelimits.setOverride", `{"namespaceName":"email","identifier":"user_2","limit":0,"duration":86400000}`)
	use("exact goes before the pattern, and 0 blocks", "user_2")
	g.post("set it again", "/v1/ratelimits.setOverride", `{"namespaceName":"email","identifier":"user_2","limit":20,"duration":86400000}`)
	use("it goes on with its count", "user_2")
	g.get("read", "/v1/ratelimits.getOverride?namespaceName=email&identifier=user_2")
	g.get("read is exact", "/v1/ratelimits.getOverride?namespaceName=email&identifier=user_3")
	g.list("list", "/v1/ratelimits.listOverrides?namespaceName=email", "overrides")
	g.post("delete", "/v1/ratelimits.deleteOverride", `{"namespaceName":"email","identifier":"user_2"}`)
	g.post("delete again", "/v1/ratelimits.deleteOverride", `{"namespaceName":"email","identifier":"user_2"}`)
	g.get("the last page has no cursor", "/v1/ratelimits.listOverrides?namespaceName=email&limit=1")
	g.get("behind the last one", "/v1/ratelimits.listOverrides?namespaceName=email&cursor=rlor_zzzzzzzzzzzzzzzzz")
	namespace, err := g.Store.Namespace(t.Context(), g.access(), name("email"))
	if err != nil {
		t.Fatal(err)
	}
	g.get("by the namespace's id", "/v1/ratelimits.getOverride?namespaceId="+namespace.ID+"&identifier=user_*")
	g.as("ratelimit."+namespace.ID+".read_override").get("right over this one", "/v1/ratelimits.getOverride?namespaceName=email&identifier=user_*")
	if err := g.Store.DeleteNamespace(t.Context(), g.access(), name("email")); err != nil {
		t.Fatal(err)
	}
	use("a namespace that was deleted", "user_1")
}

// What is wrong with a request about overrides.
func TestGoldenOverrideErrors(t *testing.T) {
	g := newGolden(t, "ratelimits_errors")
	g.post("a namespace", "/v1/ratelimits.limit", `{"namespace":"email","identifier":"user_1","limit":3,"duration":86400000}`)
	set := `{"namespaceName":"email","identifier":"user_1","limit":1,"duration":1000}`
	g.post("set: no namespace", "/v1/ratelimits.setOverride", `{"identifier":"user_1","limit":1,"duration":1000}`)
	g.post("set: unknown namespace", "/v1/ratelimits.setOverride", `{"namespaceName":"none","identifier":"user_1","limit":1,"duration":1000}`)
	g.post("set: unknown namespace id", "/v1/ratelimits.setOverride", `{"namespaceId":"rlns_none","identifier":"user_1","limit":1,"duration":1000}`)
	g.post("set: short identifier", "/v1/ratelimits.setOverride", `{"namespaceName":"email","identifier":"ab","limit":1,"duration":1000}`)
	g.post("set: negative limit", "/v1/ratelimits.setOverride", `{"namespaceName":"email","identifier":"abc","limit":-1,"duration":1000}`)
	g.post("set: short duration", "/v1/ratelimits.setOverride", `{"namespaceName":"email","identifier":"abc","limit":1,"duration":1}`)
	g.get("get: no namespace", "/v1/ratelimits.getOverride?identifier=user_1")
	g.get("get: no identifier", "/v1/ratelimits.getOverride?namespaceName=email")
	g.get("get: unknown", "/v1/ratelimits.getOverride?namespaceName=email&identifier=user_1")
	g.get("list: no namespace", "/v1/ratelimits.listOverrides")
	g.get("list: unknown namespace", "/v1/ratelimits.listOverrides?namespaceName=none")
	g.get("list: limit 0", "/v1/ratelimits.listOverrides?namespaceName=email&limit=0")
	g.post("delete: no namespace", "/v1/ratelimits.deleteOverride", `{"identifier":"user_1"}`)
	g.post("delete: no identifier", "/v1/ratelimits.deleteOverride", `{"namespaceName":"email"}`)
	none := g.as("ratelimit.*.limit")
	for _, caller := range []*golden{none, g.stranger(), g.as()} {
		caller.post("set by who may not", "/v1/ratelimits.setOverride", set)
		caller.get("get by who may not", "/v1/ratelimits.getOverride?namespaceName=email&identifier=user_1")
		caller.get("list by who may not", "/v1/ratelimits.listOverrides?namespaceName=email")
		caller.post("delete by who may not", "/v1/ratelimits.deleteOverride", `{"namespaceName":"email","identifier":"user_1"}`)
	}
	g.get("and nothing was set", "/v1/ratelimits.listOverrides?namespaceName=email")
}

// access is that of the command line.
func (g *golden) access() keys.Access { return keys.Operator(g.Workspace).As() }

func name(namespace string) keys.NamespaceRef { return keys.NamespaceRef{Name: namespace} }
