package unkeyv1_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"tollgate/keys"
	"tollgate/ratelimit"
)

// An identity from its making to its end.
func TestGoldenIdentities(t *testing.T) {
	g := newGolden(t, "identities")
	const create, read, list, change, remove = "/v1/identities.createIdentity", "/v1/identities.getIdentity",
		"/v1/identities.listIdentities", "/v1/identities.updateIdentity", "/v1/identities.deleteIdentity"
	g.get("none yet", list)
	id := g.as("identity.*.create_identity").post("create", create,
		`{"externalId":"user_1","meta":{"plan":"pro","n":1.50},"ratelimits":[{"name":"requests","limit":10,"duration":60000},{"name":"tokens","limit":500,"duration":3600000}]}`).text("identityId")
	g.post("create a bare one", create, `{"externalId":"user_2"}`)
	reader := g.as("identity.*.read_identity")
	reader.get("read by id", read+"?identityId="+id)
	reader.get("read by external id", read+"?externalId=user_2")
	reader.list("list", list, "identities")
	reader.get("another environment has none", list+"?environment=staging")
	g.post("external id taken", create, `{"externalId":"user_1"}`)
	g.stranger().post("external id free in another workspace", create, `{"externalId":"user_1"}`)

	changer := g.as("identity.*.update_identity")
	changer.post("meta alone", change, fmt.Sprintf(`{"identityId":%q,"meta":{"plan":"free"}}`, id))
	changer.post("limits alone, by external id", change, `{"externalId":"user_1","ratelimits":[{"name":"tokens","limit":600,"duration":3600000}]}`)
	changer.post("nothing changes", change, fmt.Sprintf(`{"identityId":%q}`, id))
	changer.post("no limits", change, fmt.Sprintf(`{"identityId":%q,"ratelimits":[]}`, id))
	changer.post("external id of another environment", change, `{"externalId":"user_1","environment":"staging","meta":{}}`)

	g.post("short external id", create, `{"externalId":"us"}`)
	g.post("no external id", create, `{}`)
	g.post("meta is no object", create, `{"externalId":"user_3","meta":[]}`)
	g.post("limit 0", create, `{"externalId":"user_3","ratelimits":[{"name":"requests","limit":0,"duration":1000}]}`)
	g.post("window under a second", create, `{"externalId":"user_3","ratelimits":[{"name":"requests","limit":1,"duration":999}]}`)
	g.post("window over a year", create, `{"externalId":"user_3","ratelimits":[{"name":"requests","limit":1,"duration":31622400001}]}`)
	g.post("limit without a name", create, `{"externalId":"user_3","ratelimits":[{"limit":1,"duration":1000}]}`)
	twice := `[{"name":"requests","limit":1,"duration":1000},{"name":"requests","limit":2,"duration":1000}]`
	g.post("two limits of one name", create, `{"externalId":"user_3","ratelimits":`+twice+`}`)
	g.post("change to two limits of one name", change, fmt.Sprintf(`{"identityId":%q,"ratelimits":%s}`, id, twice))
	g.post("change to limit 0", change, fmt.Sprintf(`{"identityId":%q,"ratelimits":[{"name":"requests","limit":0,"duration":1000}]}`, id))
	g.post("change nobody", change, `{"meta":{}}`)
	g.post("change unknown", change, `{"identityId":"id_unknown","meta":{}}`)
	g.get("read nobody", read)
	g.get("read unknown", read+"?identityId=id_unknown")
	g.get("read unknown external id", read+"?externalId=nobody")
	g.get("list with limit 0", list+"?limit=0")
	g.get("list with limit 101", list+"?limit=101")
	g.post("delete nobody", remove, `{}`)
	g.post("delete unknown", remove, `{"identityId":"id_unknown"}`)

	for _, one := range []*golden{g.stranger(), g.as("ratelimit.*.update_namespace"), g.as()} {
		one.get("refused", read+"?identityId="+id)
		one.post("refused", change, fmt.Sprintf(`{"identityId":%q,"meta":{"stolen":true}}`, id))
		one.post("refused", remove, fmt.Sprintf(`{"identityId":%q}`, id))
	}
	for _, one := range []*golden{g.as("ratelimit.*.update_namespace"), g.as()} {
		one.post("refused", create, `{"externalId":"user_3"}`)
		one.get("refused", list)
	}
	g.list("nothing was changed by all these", list, "identities")
	g.as("identity.*.delete_identity").post("delete", remove, fmt.Sprintf(`{"identityId":%q}`, id))
	g.post("delete again", remove, fmt.Sprintf(`{"identityId":%q}`, id))
	g.get("gone", read+"?identityId="+id)
	g.list("one left", list, "identities")
	g.post("the external id is free", create, `{"externalId":"user_1"}`)
}

// Limits that v1 gives an identity apply where a verification names them, and one
// that applies always goes on doing so when v1 changes it.
func TestV1LimitsOfIdentitiesApplyWhereNamed(t *testing.T) {
	g := newGolden(t, "identitylimits")
	id := g.post("an identity", "/v1/identities.createIdentity", `{"externalId":"user_1","ratelimits":[{"name":"requests","limit":1,"duration":86400000}]}`).text("identityId")
	_, _, secret := g.keyOn(`{"apiId":%q,"externalId":"user_1"}`)
	verify := func(title, more string) answer {
		return g.post(title, "/v1/keys.verifyKey", fmt.Sprintf(`{"key":%q%s}`, secret, more))
	}
	limitless := verify("not named", ``)
	if _, counted := limitless.body.(map[string]any)["ratelimit"]; counted {
		t.Error("a limit that nobody named was counted")
	}
	verify("named", `,"ratelimits":[{"name":"requests"}]`)
	verify("named again", `,"ratelimits":[{"name":"requests"}]`)
	verify("named, and not there", `,"ratelimits":[{"name":"nothing"}]`)

	caller := keys.Operator(g.Workspace).As()
	always := keys.IdentityPatch{Limits: keys.To(autoApply(g, id))}
	if _, err := g.Store.UpdateIdentity(t.Context(), caller, keys.IdentityRef{ID: id}, always); err != nil {
		t.Fatal(err)
	}
	g.post("raise one that applies always", "/v1/identities.updateIdentity", fmt.Sprintf(`{"identityId":%q,"ratelimits":[{"name":"requests","limit":2,"duration":86400000}]}`, id))
	verify("not named", ``)
	verify("not named, used up", ``)
	g.post("delete the identity", "/v1/identities.deleteIdentity", fmt.Sprintf(`{"identityId":%q}`, id))
	verify("its key goes on without it", ``)
}

// The longest meta of v1, and one character more.
func TestMetaOfAnIdentityIsBounded(t *testing.T) {
	g := newGolden(t, "")
	body := func(n int) string {
		return fmt.Sprintf(`{"externalId":"user_1","meta":{"a":%q}}`, strings.Repeat("m", n-len(`{"a":""}`)))
	}
	if status, got := g.send(http.MethodPost, "/v1/identities.createIdentity", body(64_001)); status != 400 || !strings.Contains(string(got), "meta: ") {
		t.Errorf("64,001 characters: %d %s", status, got)
	}
	if status, got := g.send(http.MethodPost, "/v1/identities.createIdentity", body(64_000)); status != 200 {
		t.Errorf("64,000 characters: %d %s", status, got)
	}
}

// Pages of identities: each once, in the order of ids, the total always exact.
func TestIdentitiesPage(t *testing.T) {
	g := newGolden(t, "")
	caller := keys.Operator(g.Workspace).As()
	for i := range 7 {
		if _, err := g.Store.CreateIdentity(t.Context(), caller, keys.IdentityDraft{ExternalID: fmt.Sprint("user_", i)}); err != nil {
			t.Fatal(err)
		}
	}
	var seen []string
	cursor := ""
	for _, want := range []int{3, 3, 1, 0} {
		page := g.read("/v1/identities.listIdentities?limit=3&cursor=" + cursor)
		rows := page["identities"].([]any)
		if len(rows) != want || page["total"] != 7.0 {
			t.Fatalf("%d rows of %v, want %d of 7", len(rows), page["total"], want)
		}
		for _, row := range rows {
			seen = append(seen, row.(map[string]any)["id"].(string))
		}
		if want > 0 && page["cursor"] != seen[len(seen)-1] {
			t.Fatalf("cursor %v is not the last id", page["cursor"])
		}
		if want > 0 {
			cursor = page["cursor"].(string)
		}
	}
	for i := 1; i < len(seen); i++ {
		if seen[i-1] >= seen[i] {
			t.Fatalf("out of order: %v", seen)
		}
	}
}

// autoApply returns the limits of an identity, made to apply always.
func autoApply(g *golden, id string) []ratelimit.Limit {
	g.t.Helper()
	i, err := g.Store.Identity(g.t.Context(), keys.Operator(g.Workspace).As(), keys.IdentityRef{ID: id})
	if err != nil {
		g.t.Fatal(err)
	}
	for n := range i.Limits {
		i.Limits[n].AutoApply = true
	}
	return i.Limits
}
