package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"
	"tollgate/keys/redisdb/redistest/proc"
)

// occupy keeps every processor of this machine busy, each several times over, until the end of the test.
func occupy(tb testing.TB) {
	tb.Helper()
	for range 4 * runtime.NumCPU() {
		busy, err := proc.Start(exec.Command("sh", "-c", "while :; do :; done"))
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(busy.Kill)
	}
}

// fresh verifies once on a connection of its own, by v2, and returns what came of it.
func (p *program) fresh(addr string, body []byte) string {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	req, err := http.NewRequest(http.MethodPost, "http://"+addr+"/v2/keys.verifyKey", bytes.NewReader(body))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Authorization", "Bearer "+p.stack.RootKey)
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || bytes.Contains(raw, []byte(`"VALID"`)) {
		return fmt.Sprint("valid ", err)
	}
	return fmt.Sprint(res.StatusCode)
}

// 600 callers that come at once, each on a new connection, to a gateway that has met neither
// their root key, nor their keys, nor what those refer to, on a machine that is busy with other
// things, get their answers: Redis answers, so none waits in the gateway until it is refused. A few may
// be refused where this machine does not let Redis run for a quarter of a second.
func TestColdBurst(t *testing.T) {
	p := startProgram(t)
	const connections, distinct = 600, 200
	var bodies [][]byte
	for i := range distinct {
		_, key := p.createKey(object{"remaining": 1000, "ownerId": fmt.Sprint("owner", i)})
		body, _ := json.Marshal(object{"key": key})
		bodies = append(bodies, body)
	}
	addr, err := p.gatewayOn("redis://" + p.stack.RedisAddr)
	if err != nil {
		t.Fatal(err)
	}
	occupy(t)
	var mu sync.Mutex
	answers := map[string]int{}
	var group sync.WaitGroup
	begun := time.Now()
	for i := range connections {
		group.Go(func() {
			answer := p.fresh(addr, bodies[i%distinct])
			mu.Lock()
			defer mu.Unlock()
			answers[answer]++
		})
	}
	group.Wait()
	row(t, "cold burst", "%d connections at once, %d keys: %v within %s", connections, distinct, answers, time.Since(begun).Round(time.Millisecond))
	if refused := answers["503"]; answers["valid <nil>"]+refused != connections || refused > connections/10 {
		t.Errorf("answers: %v", answers)
	}
}
