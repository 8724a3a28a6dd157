package bench

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"tollgate/bench/rig"
	"tollgate/keys/redisdb/redistest/proc"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// envoyWorkers is how many connections the checks share: Envoy has one for each worker.
const envoyWorkers = 4

// BenchmarkExtAuthz is ext_authz over gRPC for keys with credits and a limit, beside v2's
// verification of the same keys. The client is that of gRPC, which takes more of the machine
// than what sends the others: the CPU of the gateway tells more than the ratio of throughputs.
//
//	x-v2              throughput, as a part of v2's
//	gateway-µs/op     CPU of the gateway; v2-gateway-µs/op that of v2's
//	client-µs/op      CPU of the client
func BenchmarkExtAuthz(b *testing.B) {
	addr, err := proc.FreeAddr()
	if err != nil {
		b.Fatal(err)
	}
	side, err := world(b).Another("--grpc-addr", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := side.Stop(); err != nil {
			b.Error(err)
		}
	}()
	api, secrets, v2 := limitedKeys(b, side)
	asked := checks{root: side.RootKey}
	for range envoyWorkers {
		conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		asked.clients = append(asked.clients, authv3.NewAuthorizationClient(conn))
	}
	for _, secret := range secrets {
		asked.requests = append(asked.requests, &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
			ContextExtensions: map[string]string{"apiId": api},
			Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
				Method: "GET", Path: "/orders", Host: "shop", Headers: map[string]string{"authorization": "Bearer " + secret, "user-agent": "bench", "x-forwarded-for": "192.0.2.1"},
			}},
		}})
	}
	for name, callers := range map[string]int{"parallel": *connections, "serial": 1} {
		b.Run(name, func(b *testing.B) { asked.beside(b, v2, callers) })
	}
}

// limitedKeys makes keys with credits and a limit, and v2's verifications of them.
func limitedKeys(b *testing.B, side *rig.Side) (api string, secrets []string, v2 rig.Load) {
	b.Helper()
	made, err := side.Must("/v2/apis.createApi", rig.Object{"name": "bench"})
	if err != nil {
		b.Fatal(err)
	}
	api, _ = made["apiId"].(string)
	v2 = rig.Load{Side: side, Want: rig.Want{Status: http.StatusOK, Text: `"code":"VALID"`}}
	for range spread() {
		key, err := side.Must("/v2/keys.createKey", rig.Object{
			"apiId": api, "credits": rig.Object{"remaining": rig.Plenty},
			"ratelimits": []rig.Object{{"name": "minute", "limit": rig.Plenty, "duration": rig.Window, "autoApply": true}},
		})
		if err != nil {
			b.Fatal(err)
		}
		secret, _ := key["key"].(string)
		body, err := json.Marshal(rig.Object{"key": secret})
		if err != nil {
			b.Fatal(err)
		}
		secrets = append(secrets, secret)
		v2.Requests = append(v2.Requests, rig.NewRequest("/v2/keys.verifyKey", side.RootKey, body))
	}
	return api, secrets, v2
}

// checks are what Envoy sends.
type checks struct {
	root     string
	clients  []authv3.AuthorizationClient
	requests []*authv3.CheckRequest
}

func (c *checks) send(b *testing.B, n, callers int) time.Duration {
	return together(b, n, callers, func(i int) error {
		ctx := metadata.AppendToOutgoingContext(b.Context(), "x-tollgate-root-key", c.root)
		got, err := c.clients[i%len(c.clients)].Check(ctx, c.requests[i%len(c.requests)])
		if err == nil && got.GetOkResponse() == nil {
			err = fmt.Errorf("refused: %v", got)
		}
		return err
	})
}

// beside measures b.N checks and half as many verifications, in slices that alternate.
func (c *checks) beside(b *testing.B, v2 rig.Load, callers int) {
	other := newMeter(b, v2, callers)
	rounds := min(max(b.N/2000, 1), 10)
	var took []float64
	var client, gateway time.Duration
	b.ResetTimer()
	for i := range rounds {
		n := b.N*(i+1)/rounds - b.N*i/rounds
		client1, gateway1, _ := other.cpu(b)
		took = append(took, c.send(b, n, callers).Seconds()/float64(n))
		client2, gateway2, _ := other.cpu(b)
		client, gateway = client+client2-client1, gateway+gateway2-gateway1
		b.StopTimer()
		other.slice(b, (n+1)/2)
		b.StartTimer()
	}
	b.StopTimer()
	each := func(d time.Duration) float64 { return d.Seconds() * 1e6 / float64(b.N) }
	b.ReportMetric(each(client), "client-µs/op")
	b.ReportMetric(each(gateway), "gateway-µs/op")
	b.ReportMetric(other.each(other.app), "v2-gateway-µs/op")
	b.ReportMetric(median(took, other.took), "x-v2")
}
