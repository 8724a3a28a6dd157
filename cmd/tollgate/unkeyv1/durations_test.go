package unkeyv1_test

import (
	"testing"
)

// How long windows may be: a year with a root key, and thirty days in a verification,
// which counts as without one whatever header it carries.
func TestGoldenDurations(t *testing.T) {
	g := newGolden(t, "durations")
	api := g.post("an API", "/v1/apis.createApi", `{"name":"durations"}`).text("apiId")
	made := g.post("a key with a limit for a year", "/v1/keys.createKey", `{"apiId":"`+api+`","ratelimit":{"limit":5,"duration":31622400000}}`)
	key, keyID := made.text("key"), made.text("keyId")
	g.post("a limit for longer", "/v1/keys.createKey", `{"apiId":"`+api+`","ratelimit":{"limit":5,"duration":31622400001}}`)
	g.post("by its older names", "/v1/keys.updateKey", `{"keyId":"`+keyID+`","ratelimit":{"limit":5,"refillRate":5,"refillInterval":31622400001}}`)

	own := func(ms string) string {
		return `{"key":"` + key + `","ratelimits":[{"name":"own","limit":5,"duration":` + ms + `}]}`
	}
	g.as().post("thirty days in a verification", "/v1/keys.verifyKey", own("2592000000"))
	g.as().post("longer", "/v1/keys.verifyKey", own("2592000001"))
	g.post("longer, with a root key", "/v1/keys.verifyKey", own("2592000001"))

	g.post("a year in a namespace", "/v1/ratelimits.limit", `{"identifier":"user_1","limit":3,"duration":31622400000}`)
	g.post("longer", "/v1/ratelimits.limit", `{"identifier":"user_1","limit":3,"duration":31622400001}`)
	g.post("an override for a year", "/v1/ratelimits.setOverride", `{"namespaceName":"default","identifier":"user_1","limit":3,"duration":31622400000}`)
	g.post("for longer", "/v1/ratelimits.setOverride", `{"namespaceName":"default","identifier":"user_1","limit":3,"duration":31622400001}`)
}
