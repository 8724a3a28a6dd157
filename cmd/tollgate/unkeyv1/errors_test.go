package unkeyv1_test

import (
	"testing"

	"tollgate/keys"
	"tollgate/keys/layout"
	"tollgate/keys/setupkeys"
)

// The kinds of errors that no endpoint's own test shows.
func TestGoldenErrors(t *testing.T) {
	g := newGolden(t, "errors")
	operator := keys.Operator(g.Workspace).As()
	api := g.post("an API", "/v1/apis.createApi", `{"name":"errors"}`).text("apiId")
	key := g.post("a key of it", "/v1/keys.createKey", `{"apiId":"`+api+`"}`).text("key")

	g.get("no such route", "/v1/apis.nothing")
	g.get("another method", "/v1/apis.createApi")
	goldenOf(t, g.With(key, "a key that is no root key")).get("no root key", "/v1/apis.getApi?apiId="+api)
	goldenOf(t, g.With("unknown_root_key", "an unknown root key")).get("unknown root key", "/v1/apis.getApi?apiId="+api)
	_, expired, err := g.Store.CreateRootKey(t.Context(), g.Workspace, keys.RootDraft{Grants: []string{keys.Everything}, Expires: 1})
	if err != nil {
		t.Fatal(err)
	}
	goldenOf(t, g.With(expired.Reveal(), "an expired root key")).get("expired root key", "/v1/apis.getApi?apiId="+api)

	setup, _, err := setupkeys.New(g.Store).CreateSetupKey(t.Context(), operator, setupkeys.SetupKeyDraft{Name: "laptops", Type: setupkeys.SetupReusable})
	if err != nil {
		t.Fatal(err)
	}
	g.post("a setup key", "/v1/keys.updateKey", `{"keyId":"`+setup.ID+`","name":"other"}`)

	record, _ := layout.RecordName(keys.NewSecret(key).Digest())
	whole, err := g.Store.Redis().Get(t.Context(), record).Result()
	if err != nil {
		t.Fatal(err)
	}
	damage := func(text string) {
		t.Helper()
		if err := g.Store.Redis().Set(t.Context(), record, text, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	damage(whole[:len(whole)-1]) // it still says whose it is
	g.post("a damaged record", "/v1/keys.whoami", `{"key":"`+key+`"}`)
	damage("damaged")
	g.as().post("a damaged record is not verified", "/v1/keys.verifyKey", `{"key":"`+key+`"}`)
}
