package unkeyv1_test

import (
	"testing"

	kit "tollgate/cmd/tollgate/golden"
	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
)

// A key of an API that allows some addresses alone is refused from every other one and
// from an unknown one, spending nothing, before it is asked what it may; a change of the
// list is obeyed by the next verification.
func TestGoldenAddresses(t *testing.T) {
	g := kit.New(t, "addresses", serveV1)
	api := g.Post("an API", "/v1/apis.createApi", `{"name":"guarded"}`).Text("apiId")
	key := g.Post("a key of it", "/v1/keys.createKey", `{"apiId":"`+api+`","remaining":3}`).Text("key")
	allow := func(list ...string) {
		t.Helper()
		if err := g.Store.AllowIPs(t.Context(), keys.Operator(g.Workspace).As(), api, list); err != nil {
			t.Fatal(err)
		}
	}
	nobody := g.As()
	ask := func(title, address, query, code string) {
		t.Helper()
		body := `{"key":"` + key + `"` + query + `}`
		headers := []string{web.XForwardedFor + ": " + address}
		a := nobody.Exchange(title, "POST", "/v1/keys.verifyKey", body, headers...)
		if got := a.Text("code"); got != code {
			t.Errorf("%s: %s, want %s", title, got, code)
		}
	}
	allow("192.0.2.1", "10.0.0.0/8", "2001:db8::/32")
	ask("an address that is not allowed", "192.0.2.2", "", "FORBIDDEN")
	ask("nor is this one", "2001:db9::1", "", "FORBIDDEN")
	ask("an unknown address", "unknown", "", "FORBIDDEN")
	ask("the address comes before permissions", "192.0.2.2", `,"authorization":{"permissions":"none"}`, "FORBIDDEN")
	ask("an address that is allowed", "192.0.2.1", "", "VALID")
	ask("one of a network", "10.200.3.4", "", "VALID")
	allow("192.0.2.2")
	ask("no longer allowed", "192.0.2.1", "", "FORBIDDEN")
	ask("allowed from now on", "::ffff:192.0.2.2", "", "VALID")
	allow()
	ask("every address: nothing is left of three uses, of which no refusal took one", "203.0.113.9", "", "USAGE_EXCEEDED")
}
