package importing

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/bench/conformance/stack"
	"tollgate/keys"
)

// fast is how many times as many keys a second batches of 100 have to bring in. The
// goal is 20, on a machine that does nothing else; the suite runs beside others.
var fast = flag.Float64("fast", 12, "how many times as fast batches have to be")

// gate is a gateway, asked over HTTP as an application does.
type gate struct {
	t   *testing.T
	url string
	key string
}

func newGate(t *testing.T) (g *gate, redis string) {
	t.Helper()
	s, err := stack.Start(stack.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	})
	return &gate{t, s.Gateways[0].URL, s.RootKey}, s.RedisAddr
}

func (g *gate) get(path string) []byte {
	g.t.Helper()
	return g.send(http.MethodGet, path, "")
}

func (g *gate) post(path, body string) []byte {
	g.t.Helper()
	return g.send(http.MethodPost, path, body)
}

func (g *gate) send(method, path, body string) []byte {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), method, g.url+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+g.key)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		g.t.Fatalf("%s: %d %s %v", path, res.StatusCode, got, err)
	}
	return got
}

// Batches of 100 over HTTP bring in many times as many keys a second as one
// createKey after the other, of the same keys.
func TestBatchesAreFast(t *testing.T) {
	g, _ := newGate(t)
	var api struct{ APIID string }
	if err := json.Unmarshal(g.post("/v1/apis.createApi", `{"name":"import"}`), &api); err != nil {
		t.Fatal(err)
	}
	const rest = `"name":"a key","meta":{"plan":"pro"},"externalId":"user_1","remaining":1000`
	single := `{"apiId":"` + api.APIID + `",` + rest + `,"ratelimit":{"limit":10,"duration":60000}}`
	g.post("/v1/keys.createKey", single)
	batches := make([]string, 120)
	for i := range batches {
		batches[i] = batch(api.APIID, rest)
	}

	// In turns, so that whatever else the machine does slows both; a stall that falls
	// on the batches alone does not fall there three times.
	ratio := 0.0
	for round := range slices.Chunk(batches, len(batches)/3) {
		var one, each time.Duration
		for _, b := range round {
			for range 10 {
				one += g.timed("/v1/keys.createKey", single)
			}
			each += g.timed("/v1/migrations.createKeys", b)
		}
		one, each = one/time.Duration(10*len(round)), each/time.Duration(100*len(round))
		t.Logf("one by one %v each, in batches %v each: %.1f times as fast", one, each, float64(one)/float64(each))
		ratio = max(ratio, float64(one)/float64(each))
	}
	if ratio < *fast {
		t.Errorf("batches are only %.1f times as fast", ratio)
	}
}

func (g *gate) timed(path, body string) time.Duration {
	g.t.Helper()
	begin := time.Now()
	g.post(path, body)
	return time.Since(begin)
}

func batch(api, rest string) string {
	var b bytes.Buffer
	for i := range 100 {
		fmt.Fprintf(&b, `,{"apiId":%q,%s,"ratelimit":{"limit":10,"refillRate":10,"refillInterval":60000},"hash":{"value":%q,"variant":"sha256_base64"}}`,
			api, rest, keys.NewSecret(keys.NewID("k")+fmt.Sprint(i)).Digest())
	}
	return "[" + b.String()[1:] + "]"
}
