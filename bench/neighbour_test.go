package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/bench/rig"
	"tollgate/keys"
	"tollgate/keys/redisdb"
	"tollgate/keys/store"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// asking is one caller's request, which each call sends again.
type asking struct{ method, url, rootKey, body string }

func (a asking) send(client *http.Client) error {
	req, err := http.NewRequest(a.method, a.url, bytes.NewReader([]byte(a.body)))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.rootKey)
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err = io.Copy(io.Discard, res.Body); err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", a.url, res.Status)
	}
	return err
}

// BenchmarkNeighbour is a quiet tenant that verifies at an even pace, alone, and beside eight
// callers of another tenant's heaviest calls: limits among 2,500 patterns that nothing cheap tells
// apart, each time for another identifier, and lists of keys with 64 KiB of metadata each. The quiet
// one's p99 beside them should stay within twice its own, or 5 ms.
func BenchmarkNeighbour(b *testing.B) {
	side, err := world(b).Another()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = side.Stop() })
	quiet, patterns, list, err := tenants(side)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("alone", func(b *testing.B) { paced(b, quiet, nil) })
	b.Run("beside=limits", func(b *testing.B) { paced(b, quiet, patterns) })
	b.Run("beside=lists", func(b *testing.B) { paced(b, quiet, list) })
}

// tenants makes two workspaces, and returns what is asked in them.
func tenants(side *rig.Side) (quiet asking, patterns, list func(int) asking, err error) {
	client, err := redisdb.Dial("redis://"+side.RedisAddr, redisdb.Options{NoDurableWrites: true})
	if err != nil {
		return quiet, nil, nil, err
	}
	defer client.Close()
	ctx, keyStore := context.Background(), store.Open(client, store.Options{Timeout: 10 * time.Second})
	var access [2]keys.Access
	var apis, roots [2]string
	for i, name := range []string{"quiet", "loud"} {
		ws, err := keyStore.Workspace(ctx, name)
		if err != nil {
			return quiet, nil, nil, err
		}
		access[i] = keys.Operator(ws).As()
		api, err := keyStore.CreateAPI(ctx, access[i], name)
		if err != nil {
			return quiet, nil, nil, err
		}
		_, root, err := keyStore.CreateRootKey(ctx, ws, keys.RootDraft{Grants: []string{keys.Everything}})
		if err != nil {
			return quiet, nil, nil, err
		}
		apis[i], roots[i] = api.ID, root.Reveal()
	}
	uses := int64(1 << 40)
	made, err := keyStore.CreateKey(ctx, access[0], keys.KeyDraft{APIID: apis[0], Remaining: &uses})
	if err != nil {
		return quiet, nil, nil, err
	}
	meta, _ := json.Marshal(map[string]string{"text": strings.Repeat("x", keys.MaxMeta-100)})
	for range store.MaxPage {
		if _, err := keyStore.CreateKey(ctx, access[1], keys.KeyDraft{APIID: apis[1], Meta: meta}); err != nil {
			return quiet, nil, nil, err
		}
	}
	space := keys.NamespaceRef{Name: "space", Create: true}
	for i := range 2500 {
		pattern := fmt.Sprintf("%s*%d*", strings.Repeat("*a", 100), i)
		if _, err := keyStore.SetOverride(ctx, access[1], space, keys.Override{Identifier: pattern, Limit: 1, Duration: 60_000}); err != nil {
			return quiet, nil, nil, err
		}
	}
	url := "http://" + side.Addr()
	quiet = asking{"POST", url + "/v2/keys.verifyKey", roots[0], `{"key":"` + made.Secret.Reveal() + `"}`}
	patterns = func(n int) asking {
		body := fmt.Sprintf(`{"namespace":"space","identifier":"%s%c","limit":1000000,"duration":60000}`, strings.Repeat("a", 480), 'b'+rune(n%20))
		return asking{"POST", url + "/v2/ratelimit.limit", roots[1], strings.Replace(body, "aaaa", fmt.Sprintf("a%xz", n), 1)}
	}
	list = func(int) asking {
		return asking{"POST", url + "/v2/apis.listKeys", roots[1], `{"apiId":"` + apis[1] + `","limit":100}`}
	}
	return quiet, patterns, list, nil
}

// paced sends the quiet tenant's request b.N times, one each two milliseconds, beside eight
// callers that send theirs without a break.
func paced(b *testing.B, quiet asking, loud func(int) asking) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	var group sync.WaitGroup
	stop := make(chan struct{})
	var calls [8]int
	for i := range calls {
		if loud == nil {
			break
		}
		group.Go(func() {
			for n := i; ; n += len(calls) {
				select {
				case <-stop:
					return
				default:
				}
				if err := loud(n).send(client); err == nil {
					calls[i]++
				}
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	took, failed := hdrhistogram.New(1, 60_000_000, 3), 0
	begun := time.Now()
	for b.Loop() {
		at := time.Now()
		if err := quiet.send(client); err != nil {
			failed++
		}
		_ = took.RecordValue(max(time.Since(at).Microseconds(), 1))
		time.Sleep(2 * time.Millisecond)
	}
	during := time.Since(begun)
	close(stop)
	group.Wait()
	sum := 0
	for _, n := range calls {
		sum += n
	}
	b.ReportMetric(float64(took.ValueAtQuantile(50)), "p50-µs")
	b.ReportMetric(float64(took.ValueAtQuantile(99)), "p99-µs")
	b.ReportMetric(float64(sum)/during.Seconds(), "loud/s")
	b.ReportMetric(float64(failed), "failed")
}
