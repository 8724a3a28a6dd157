package unkeyv1_test

import (
	"fmt"
	"testing"

	"tollgate/keys/usage"
)

// How verifications ended: by each group, ordered, filled, refused.
func TestGoldenAnalytics(t *testing.T) {
	g := newGolden(t, "analytics")
	api := g.post("an API", "/v1/apis.createApi", `{"name":"golden"}`).text("apiId")
	ann := g.post("a key of ann", "/v1/keys.createKey", `{"apiId":"`+api+`","externalId":"ann"}`).text("keyId")
	nobody := g.post("a key of nobody", "/v1/keys.createKey", `{"apiId":"`+api+`"}`).text("keyId")
	now := g.use(map[string]string{ann: "VVVLLU", nobody: "VL"}, map[string][]string{ann: {"a", "b"}})
	span := fmt.Sprintf("&start=%d&end=%d", now-2*3600_000, now+1)
	ask := "/v1/analytics.getVerifications?apiId=" + api + span
	g.get("in all", ask)
	g.get("by hour, filled", ask+"&groupBy=hour")
	g.get("by hour, the latest first, limited", ask+"&groupBy=hour&orderBy=time&order=desc&limit=1")
	g.get("by identity, ordered", ask+"&groupBy=identity&orderBy=valid&order=desc")
	g.get("by key", ask+"&groupBy=key&orderBy=total")
	g.get("of some keys", ask+"&keyId="+ann+"&keyId=key_unknown&groupBy=key&groupBy=identity")
	g.get("by tag", ask+"&groupBy=tag")
	g.get("by tags", ask+"&groupBy=tags&orderBy=total")
	g.get("with a tag", ask+"&tag=a&tag=b")
	g.get("with a tag nobody has", ask+"&tag=a&tag=c&groupBy=key")
	g.get("of an owner", ask+"&externalId=ann&groupBy=day&groupBy=tag&orderBy=total&order=desc&limit=1")
	g.get("of an unknown owner", ask+"&externalId=bob&groupBy=key")
	g.get("tag and tags", ask+"&groupBy=tag&groupBy=tags")
	g.get("unknown group", ask+"&groupBy=year")
	g.get("unknown order", ask+"&orderBy=name")
	g.get("limit 0", ask+"&limit=0")
	g.get("no API", "/v1/analytics.getVerifications?start=1")
	g.get("no start", "/v1/analytics.getVerifications?apiId="+api)
	g.get("end before start", "/v1/analytics.getVerifications?apiId="+api+fmt.Sprintf("&start=%d&end=%d", now, now))
	g.get("too long a series", "/v1/analytics.getVerifications?groupBy=hour&start=0&apiId="+api)
	g.get("unknown API", "/v1/analytics.getVerifications?apiId=api_unknown"+span)
	g.as("api."+api+".read_api").get("right over this one", ask)
	g.as("api.*.read_key").get("missing right", ask)
	g.stranger().get("another workspace's", ask)
	g.as().get("no root key", ask)
}

// How verifications of one key, or of an owner's keys, ended.
func TestGoldenKeyVerifications(t *testing.T) {
	g := newGolden(t, "keys_getVerifications")
	api := g.post("an API", "/v1/apis.createApi", `{"name":"golden"}`).text("apiId")
	ann := g.post("a key of ann", "/v1/keys.createKey", `{"apiId":"`+api+`","ownerId":"ann"}`).text("keyId")
	bob := g.post("a key of bob", "/v1/keys.createKey", `{"apiId":"`+api+`","ownerId":"bob"}`).text("keyId")
	now := g.use(map[string]string{ann: "VVVLLU"}, nil)
	ask, span := "/v1/keys.getVerifications?", fmt.Sprintf("&start=%d&end=%d", now-now%(24*3600_000), now+1)
	g.get("of a key", ask+"keyId="+ann+span)
	g.get("of an owner", ask+"ownerId=ann&granularity=day"+span)
	g.get("none", ask+"keyId="+bob)
	g.get("an unknown owner", ask+"ownerId=nobody")
	g.get("an unknown key", ask+"keyId=key_unknown")
	g.get("neither", ask+"start=1")
	g.get("other granularity", ask+"granularity=hour&keyId="+ann)
	g.get("end before start", ask+"start=2&end=1&keyId="+ann)
	g.as("api."+api+".read_key").get("right over this one", ask+"ownerId=ann"+span)
	g.as("api.*.read_api").get("missing right, key", ask+"keyId="+ann)
	g.as("api.*.read_api").get("missing right, owner", ask+"ownerId=ann")
	g.stranger().get("another workspace's", ask+"keyId="+ann)
	g.as().get("no root key", ask+"keyId="+ann)
}

// use counts for each key what its letters say, with its tags, and returns the moment.
func (g *golden) use(of map[string]string, tags map[string][]string) int64 {
	g.t.Helper()
	counter := usage.NewCounter(usage.NewReader(g.Store, 0))
	now, err := g.Store.Now(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	for id, outcomes := range of {
		d, err := g.Store.Key(g.t.Context(), g.access(), id, false)
		if err != nil {
			g.t.Fatal(err)
		}
		for _, o := range outcomes {
			counter.Count(d.Key, usage.Outcome(o), tags[id], now)
		}
	}
	if err := counter.Close(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
	return now
}
