package bench

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"tollgate/bench/rig"
)

// BenchmarkCache verifies several times as many keys as a gateway's cache has room for
// and reports what the whole gateway then keeps in memory beyond what it kept before,
// usage counts included. That the cache alone keeps its bound is TestCacheKeepsItsBound
// of package verify.
//
//	live-MiB   what has grown, after a collection
//	cache-MiB  what the cache may take
//
// However large b.N, each kind of key is measured once.
func BenchmarkCache(b *testing.B) {
	mib := 16
	if smoke() {
		mib = 2
	}
	for _, kind := range []struct {
		name   string
		key    rig.Object
		weight int // bytes in the cache, at least
	}{
		{"plain", rig.Object{}, 900},
		{"rich", rig.Object{
			"name": "a rather long name of a key", "externalId": "somebody", "remaining": rig.Plenty,
			"meta":      rig.Object{"plan": "pro", "notes": strings.Repeat("x", 1000)},
			"ratelimit": rig.Object{"limit": rig.Plenty, "refillRate": rig.Plenty, "refillInterval": 60_000},
			"roles":     []string{}, "permissions": []string{"documents.read", "documents.write", "documents.share"},
		}, 2000},
	} {
		b.Run(kind.name, func(b *testing.B) {
			if b.N > 1 {
				return // measured already
			}
			side, err := world(b).Another("--cache-mib", strconv.Itoa(mib))
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := side.Stop(); err != nil {
					b.Error(err)
				}
			}()
			grown := overfill(b, side, kind.key, 3*mib<<20/kind.weight)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(grown/(1<<20), "live-MiB")
			b.ReportMetric(float64(mib), "cache-MiB")
		})
	}
}

// overfill makes n keys, verifies each twice and returns the bytes that stay.
func overfill(b *testing.B, side *rig.Side, key rig.Object, n int) float64 {
	b.Helper()
	api, err := side.Must("/v1/apis.createApi", rig.Object{"name": "cache"})
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"documents.read", "documents.write", "documents.share"} {
		if _, err := side.Must("/v1/permissions.createPermission", rig.Object{"name": name}); err != nil {
			b.Fatal(err)
		}
	}
	var requests []rig.Request
	for len(requests) < n {
		batch := make([]rig.Object, 100)
		for i := range batch {
			text := fmt.Sprintf("cached_%024d", len(requests))
			batch[i] = rig.With(key, rig.Object{"apiId": api["apiId"], "plaintext": text})
			body, err := json.Marshal(rig.Object{"key": text})
			if err != nil {
				b.Fatal(err)
			}
			requests = append(requests, rig.NewRequest("/v1/keys.verifyKey", "", body))
		}
		if status, answer, err := side.Call("/v1/migrations.createKeys", batch); err != nil || status != http.StatusOK {
			b.Fatalf("migrations.createKeys: %d %s %v", status, answer, err)
		}
	}
	conns, err := rig.DialMany(side.Addr(), *connections)
	if err != nil {
		b.Fatal(err)
	}
	verify := func(requests []rig.Request, n int) float64 {
		if _, err := rig.Hammer(conns, requests, n, rig.Want{Status: http.StatusOK, Text: `"valid":true`}); err != nil {
			b.Fatal(err)
		}
		if !smoke() {
			time.Sleep(2 * time.Second) // usage is sent twice a second, and forgotten
		}
		live, err := side.Live()
		if err != nil {
			b.Fatal(err)
		}
		return float64(live)
	}
	before := verify(requests[:10], 10_000) // every connection has its buffers
	return verify(requests, 2*len(requests)) - before
}
