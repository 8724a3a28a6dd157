package bench

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"tollgate/bench/rig"
)

const (
	versusFloor  = "x-floor"
	versusSpread = "x-spread"
)

// BenchmarkVerify is keys.verifyKey of both generations.
func BenchmarkVerify(b *testing.B) {
	w := theWorld(b)
	for _, g := range []*generation{v1, v2} {
		b.Run(g.name, func(b *testing.B) {
			w.needs(b, g.verify, g.create)
			for _, s := range g.scenarios {
				b.Run(s.name, func(b *testing.B) {
					if s.setup != nil {
						w.needs(b, "/"+g.name+"/identities.createIdentity")
					}
					gateway, floor := w.prepare(b, g, s, spread())
					beside(b, gateway, floor)
				})
			}
			b.Run("hotkey", func(b *testing.B) { w.hot(b, g) })
		})
	}
}

// needs skips a benchmark, and says so, where the gateway has no such endpoints yet.
func (w *world) needs(b *testing.B, paths ...string) {
	b.Helper()
	for _, path := range paths {
		served, err := w.gateway.Serves(path)
		if err != nil {
			b.Fatal(err)
		}
		if !served {
			fmt.Printf("%s: not measured, because this gateway does not serve %s\n", b.Name(), path)
			b.SkipNow()
		}
	}
}

// beside measures a load and its floor with many connections and with one.
func beside(b *testing.B, gateway, floor load) {
	b.Run("parallel", func(b *testing.B) { compare(b, gateway, floor, *connections, versusFloor) })
	b.Run("serial", func(b *testing.B) { compare(b, gateway, floor, 1, versusFloor) })
}

// hot hammers one key, beside as much load spread over many.
func (w *world) hot(b *testing.B, g *generation) {
	for _, s := range g.scenarios {
		if s.name != "credits+1limit" {
			continue
		}
		many, _ := w.prepare(b, g, s, spread())
		one, _ := w.prepare(b, g, s, 1)
		b.Run("parallel", func(b *testing.B) { compare(b, one, many, *connections, versusSpread) })
	}
}

// BenchmarkCreateKey is keys.createKey with credits and a limit.
func BenchmarkCreateKey(b *testing.B) {
	w := theWorld(b)
	body := with(limitedV1, object{"apiId": w.apiID, "prefix": "bench", "name": "made by a benchmark"})
	w.one(b, "/v1/keys.createKey", w.apiID, body, `"keyId":"`)
}

// BenchmarkLimit is a rate limit without a key.
func BenchmarkLimit(b *testing.B) {
	w := theWorld(b)
	body := object{"namespace": "bench", "identifier": "somebody", "limit": plenty, "duration": window}
	b.Run("v1", func(b *testing.B) { w.one(b, "/v1/ratelimits.limit", "somebody", body, `"success":true`) })
	b.Run("v2", func(b *testing.B) { w.one(b, "/v2/ratelimit.limit", "somebody", body, `"success":true`) })
}

// BenchmarkRedeem is a setup key that the same peer redeems again.
func BenchmarkRedeem(b *testing.B) {
	w := theWorld(b)
	w.needs(b, "/api/setup-keys", "/api/setup-keys/redeem")
	made, err := w.gateway.Must("/api/setup-keys", object{
		"name": "bench", "type": "reusable", "expires_in": 86400, "auto_groups": []string{}, "usage_limit": 0, "ephemeral": false,
	})
	if err != nil {
		b.Fatal(err)
	}
	key, _ := made["key"].(string)
	w.one(b, "/api/setup-keys/redeem", key, object{"key": key, "peer": "peer-1"}, `"id":"`)
}

// one measures an endpoint that takes the root key, with one request over and over.
func (w *world) one(b *testing.B, path, subject string, body object, part string) {
	w.needs(b, path)
	text, err := json.Marshal(body)
	if err != nil {
		b.Fatal(err)
	}
	want := rig.Want{Status: http.StatusOK, Text: part}
	gateway, floor := w.loads(b, path, true, []string{subject}, [][]byte{text}, want, false)
	beside(b, gateway, floor)
}
