package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestSIGTERMDropsNothing: under load a gateway that is told to end answers every request it was
// sent, says on each of those answers that the connection ends, and exits with 0. What was spent
// is exactly what was answered.
func TestSIGTERMDropsNothing(t *testing.T) {
	for range 3 {
		drainOnce(t)
	}
}

func drainOnce(t *testing.T) {
	const balance, workers, enough = 1_000_000, 64, 1000
	g := gateAt(t, 0)
	id, key := g.createKey(object{"remaining": balance})
	leaving, err := world.StartGateway()
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: workers}}
	defer client.CloseIdleConnections()
	body, _ := json.Marshal(object{"key": key})

	var accepted, dropped atomic.Int64
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for {
				last, err := verifyOnce(client, leaving.URL, body)
				if errors.Is(err, syscall.ECONNREFUSED) {
					return // nobody took this request, so nobody dropped it
				}
				if err != nil {
					dropped.Add(1)
					t.Errorf("a request was dropped: %v", err)
					return
				}
				accepted.Add(1)
				if last {
					return
				}
			}
		})
	}
	for deadline := time.Now().Add(10 * time.Second); accepted.Load() < enough && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	before := accepted.Load()
	if err := leaving.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	running.Wait()
	code, err := leaving.Wait(20 * time.Second)
	if err != nil || code != 0 {
		t.Errorf("want exit code 0, got %d %v; it said:\n%s", code, err, leaving.LogTail())
	}
	if before < enough {
		t.Errorf("only %d answers before the signal: that was no load", before)
	}
	left, _ := g.getKey(id)["remaining"].(float64)
	if spent := balance - int64(left); spent != accepted.Load() {
		t.Errorf("%d credits spent, %d requests answered", spent, accepted.Load())
	}
}

// verifyOnce reports whether the answer was the last one on its connection.
func verifyOnce(client *http.Client, url string, body []byte) (last bool, err error) {
	res, err := client.Post(url+"/v1/keys.verifyKey", "application/json", bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	var decision struct{ Valid bool }
	if err := json.NewDecoder(res.Body).Decode(&decision); err != nil {
		return false, err
	}
	if res.StatusCode != http.StatusOK || !decision.Valid {
		return false, errors.New("not a decision: " + res.Status)
	}
	return res.Close, nil
}
