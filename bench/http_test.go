package bench

import (
	"encoding/json"
	"net/http"
	"testing"

	"tollgate/bench/rig"
)

// What a load is compared with.
const (
	versusFloor  = "x-floor"
	versusSpread = "x-spread"
)

// BenchmarkVerify is keys.verifyKey of both generations.
func BenchmarkVerify(b *testing.B) {
	for _, g := range rig.Generations {
		b.Run(g.Name, func(b *testing.B) {
			needs(b, g.Verify, g.Create)
			for _, s := range g.Scenarios {
				b.Run(s.Name, func(b *testing.B) { verification(b, g, s) })
			}
			b.Run("hotkey", func(b *testing.B) { hot(b, g) })
		})
	}
}

func verification(b *testing.B, g *rig.Generation, s rig.Scenario) {
	if s.Setup != "" {
		needs(b, s.Setup)
	}
	gateway, floor, err := world(b).Prepare(g, s, spread())
	if err != nil {
		b.Fatal(err)
	}
	beside(b, gateway, floor)
}

// beside measures a load and its floor with many connections and with one.
func beside(b *testing.B, gateway, floor rig.Load) {
	b.Run("parallel", func(b *testing.B) { compare(b, gateway, floor, *connections, versusFloor) })
	b.Run("serial", func(b *testing.B) { compare(b, gateway, floor, 1, versusFloor) })
}

// hot hammers one key, beside as much load spread over many.
func hot(b *testing.B, g *rig.Generation) {
	s, err := g.Scenario("credits+1limit")
	if err != nil {
		b.Fatal(err)
	}
	many, _, err := world(b).Prepare(g, s, spread())
	if err != nil {
		b.Fatal(err)
	}
	one := many
	one.Requests = many.Requests[:1]
	b.Run("parallel", func(b *testing.B) { compare(b, one, many, *connections, versusSpread) })
}

// BenchmarkCreateKey is keys.createKey with credits and a limit.
func BenchmarkCreateKey(b *testing.B) {
	id := world(b).APIID
	body := rig.With(rig.LimitedV1(), rig.Object{"apiId": id, "prefix": "bench", "name": "made by a benchmark"})
	one(b, "/v1/keys.createKey", id, body, `"keyId":"`)
}

// BenchmarkLimit is a rate limit without a key.
func BenchmarkLimit(b *testing.B) {
	body := rig.Object{"namespace": "bench", "identifier": "somebody", "limit": rig.Plenty, "duration": rig.Window}
	b.Run("v1", func(b *testing.B) { one(b, "/v1/ratelimits.limit", "somebody", body, `"success":true`) })
	b.Run("v2", func(b *testing.B) { one(b, "/v2/ratelimit.limit", "somebody", body, `"success":true`) })
}

// BenchmarkRedeem is a setup key that the same peer redeems again.
func BenchmarkRedeem(b *testing.B) {
	needs(b, "/api/setup-keys", "/api/setup-keys/redeem")
	made, err := world(b).Gateway.Must("/api/setup-keys", rig.Object{
		"name": "bench", "type": "reusable", "expires_in": 86400, "auto_groups": []string{}, "usage_limit": 0, "ephemeral": false,
	})
	if err != nil {
		b.Fatal(err)
	}
	key, _ := made["key"].(string)
	id, _ := made["id"].(string)
	one(b, "/api/setup-keys/redeem", key, rig.Object{"key": key, "peer": "peer of " + id}, `"id":"`)
}

// one measures an endpoint that takes the root key, with one request over and over.
func one(b *testing.B, path, subject string, body rig.Object, part string) {
	needs(b, path)
	text, err := json.Marshal(body)
	if err != nil {
		b.Fatal(err)
	}
	question := rig.Question{Path: path, Authenticated: true, Want: rig.Want{Status: http.StatusOK, Text: part}}
	gateway, floor, err := world(b).Loads(question, []string{subject}, [][]byte{text})
	if err != nil {
		b.Fatal(err)
	}
	beside(b, gateway, floor)
}
