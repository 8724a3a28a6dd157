package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tollgate/bench/conformance/stack"
)

// A gateway that is told to end under load has counted every verification that it
// answered by the time it has exited.
func TestSIGTERMLosesNoUsage(t *testing.T) {
	g := gateAt(t, 0)
	id, key := g.createKey(object{})
	leaving, stop := startGateway(t)
	defer stop()
	answered := load(key, leaving, 8, func() bool { return true }, 300*time.Millisecond, syscall.SIGTERM)
	if code, err := leaving.Wait(20 * time.Second); err != nil || code != 0 {
		t.Errorf("want exit code 0, got %d %v", code, err)
	}
	if got := g.counted(id); got != answered || answered == 0 {
		t.Errorf("%d verifications were answered, %d are counted", answered, got)
	}
}

// A gateway that is killed has counted what it answered more than a second before.
func TestKillLosesASecondOfUsage(t *testing.T) {
	g := gateAt(t, 0)
	id, key := g.createKey(object{})
	leaving, stop := startGateway(t)
	defer stop()
	end := time.Now().Add(1500 * time.Millisecond)
	var old atomic.Int64
	answered := load(key, leaving, 2, func() bool {
		if time.Until(end) > time.Second {
			old.Add(1)
		}
		return true
	}, 1500*time.Millisecond, syscall.SIGKILL)
	_, _ = leaving.Wait(20 * time.Second)
	if got := g.counted(id); got < old.Load() || got > answered+2 || old.Load() == 0 {
		t.Errorf("%d verifications were answered, %d of them a second before; %d are counted", answered, old.Load(), got)
	}
}

func startGateway(t *testing.T) (*stack.Gateway, func()) {
	t.Helper()
	gateway, err := world.StartGateway()
	if err != nil {
		t.Fatal(err)
	}
	return gateway, func() { _ = gateway.Signal(syscall.SIGKILL) }
}

// load verifies from many workers, sends the signal after a while, and returns how many
// answers came when nobody answers any more. each is called for every answer.
func load(key string, gateway *stack.Gateway, workers int, each func() bool, after time.Duration, signal syscall.Signal) int64 {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: workers}}
	defer client.CloseIdleConnections()
	body, _ := json.Marshal(object{"key": key, "tags": []string{"load"}})
	var answered atomic.Int64
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for {
				last, err := verifyOnce(client, gateway.URL, bytes.Clone(body))
				if err != nil {
					return
				}
				answered.Add(1)
				if !each() || last {
					return
				}
			}
		})
	}
	time.Sleep(after)
	_ = gateway.Signal(signal)
	running.Wait()
	return answered.Load()
}

// counted is how many valid verifications of a key are counted.
func (g gate) counted(id string) int64 {
	g.t.Helper()
	now := time.Now().UnixMilli()
	body := g.must("GET", fmt.Sprintf("keys.getVerifications?keyId=%s&start=%d&end=%d", id, now-3600_000, now+3600_000), nil)
	var sum float64
	for _, row := range body["verifications"].([]any) {
		sum += row.(object)["success"].(float64)
	}
	return int64(sum)
}
