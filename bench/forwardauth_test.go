package bench

import (
	"fmt"
	"net/http"
	"testing"

	"tollgate/bench/rig"
)

// BenchmarkForwardAuth is /forward-auth of a key with credits and a limit, beside v2's
// verification of the same keys, which checks a root key too.
func BenchmarkForwardAuth(b *testing.B) {
	needs(b, "/v2/keys.verifyKey")
	g := rig.Generations[1]
	s, err := g.Scenario("credits+1limit")
	if err != nil {
		b.Fatal(err)
	}
	verification, subjects, err := world(b).PrepareSubjects(g, s, spread())
	if err != nil {
		b.Fatal(err)
	}
	side := world(b).Gateway
	asked := rig.Load{Side: side, Want: rig.Want{Status: http.StatusOK}}
	for _, key := range subjects {
		asked.Requests = append(asked.Requests, fmt.Appendf(nil,
			"GET /forward-auth?apiId=%s HTTP/1.1\r\nHost: tollgate\r\nX-Tollgate-Root-Key: %s\r\nAuthorization: Bearer %s\r\nX-Forwarded-Uri: /orders\r\n\r\n",
			world(b).APIID, side.RootKey, key))
	}
	b.Run("parallel", func(b *testing.B) { compare(b, asked, verification, *connections, "x-v2") })
	b.Run("serial", func(b *testing.B) { compare(b, asked, verification, 1, "x-v2") })
}
