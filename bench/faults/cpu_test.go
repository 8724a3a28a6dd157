package faults

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/bench/rig"
)

// flood is what came of requests that arrive at a rate, whether earlier ones were answered or not,
// each on a connection of its own for as long as there are any.
type flood struct {
	offered, served, shed float64 // a second; offered is what was sent
	took                  []time.Duration
	refused               []time.Duration
}

// pour sends requests at a rate. What finds no free connection is not offered: as many as there
// are wait already.
func pour(tb testing.TB, conns []*rig.Conn, request rig.Request, rate float64, during time.Duration) (f flood) {
	tb.Helper()
	var mu sync.Mutex
	var offered atomic.Int64
	var group sync.WaitGroup
	due := make(chan struct{}, len(conns))
	for _, c := range conns {
		_ = c.SetDeadline(time.Now().Add(during + 20*time.Second)) // an error shows at the next use
		group.Go(func() {
			var took, refused []time.Duration
			for range due {
				offered.Add(1)
				begun := time.Now()
				status, body, err := c.Do(request)
				switch {
				case err == nil && status == http.StatusOK:
					took = append(took, time.Since(begun))
				case err == nil && status == http.StatusServiceUnavailable && strings.Contains(string(body), "SERVICE_UNAVAILABLE"):
					refused = append(refused, time.Since(begun))
				default:
					tb.Errorf("%v %d %s", err, status, body)
					return
				}
			}
			mu.Lock()
			defer mu.Unlock()
			f.took, f.refused = append(f.took, took...), append(f.refused, refused...)
		})
	}
	begun, sent := time.Now(), 0
	for passed := time.Duration(0); passed < during; passed = time.Since(begun) {
		for ; float64(sent) < passed.Seconds()*rate; sent++ {
			select {
			case due <- struct{}{}:
			default:
			}
		}
		time.Sleep(200 * time.Microsecond)
	}
	for len(due) > 0 { // what no connection has taken yet is not offered any more
		select {
		case <-due:
		default:
		}
	}
	close(due)
	group.Wait()
	seconds := time.Since(begun).Seconds()
	f.offered, f.served, f.shed = float64(offered.Load())/seconds, float64(len(f.took))/seconds, float64(len(f.refused))/seconds
	return f
}

// peakOf is how many are served in a second to callers who wait for each answer.
func peakOf(tb testing.TB, conns []*rig.Conn, request rig.Request, n int) float64 {
	tb.Helper()
	run, err := rig.Hammer(conns, []rig.Request{request}, n, rig.Want{Status: http.StatusOK, Text: `"valid":true`})
	if err != nil {
		tb.Fatal(err)
	}
	return float64(n) / run.Took.Seconds()
}

// Where the gateway's own processor is what is short, ten times as much as it can serve is
// answered, all of it, with 200 or 503, and when it is over the gateway serves as much as before.
// How much it serves meanwhile is a figure of the full form: in CI, beside other tests, whoever
// makes the requests is what is short.
func TestOverloadOfTheProcessor(t *testing.T) {
	t.Setenv("GOMAXPROCS", "1") // of the gateway: what makes the requests has the other processor
	p := startProgram(t)
	_, key := p.createKey(object{"remaining": 1 << 40})
	body, _ := json.Marshal(object{"key": key})
	request := rig.NewRequest("/v1/keys.verifyKey", "", body)
	g := p.stack.Gateways[0]
	few, err := rig.DialMany(g.Addr, 64)
	many, manyErr := rig.DialMany(g.Addr, scale(1000, 6000))
	if err := errors.Join(err, manyErr); err != nil {
		t.Fatal(err)
	}
	defer hangUp(few)
	defer hangUp(many)
	n, during := scale(5_000, 100_000), scale(time.Second, 8*time.Second)
	peakOf(t, few, request, n/2)
	var peak float64
	var f flood
	alone := share(t, g.PID(), func() { peak = peakOf(t, few, request, n) })
	_ = pour(t, many, request, 10*peak, during/2) // makes the connections' buffers
	flooded := share(t, g.PID(), func() { f = pour(t, many, request, 10*peak, during) })
	after := peakOf(t, few, request, n)
	row(t, "10 times overload of the processor", "peak %.0f/s at %.0f %% of a processor; then %.0f/s wanted, %.0f/s sent, at %.0f %%: served %.0f/s (%.0f %%) p99 %s, shed %.0f/s p99 %s; afterwards %.0f/s",
		peak, alone, 10*peak, f.offered, flooded, f.served, 100*f.served/peak, percentileOf(f.took), f.shed, percentileOf(f.refused), after)
	if f.served < scale(0, 0.8)*peak || f.served == 0 || after < scale(0.2, 0.8)*peak {
		t.Error("overload costs throughput")
	}
}

// share is how much of a processor, in percent, a process had while something was done.
func share(tb testing.TB, pid int, do func()) float64 {
	tb.Helper()
	cpu, begun := cpuOf(tb, pid), time.Now()
	do()
	return 100 * (cpuOf(tb, pid) - cpu).Seconds() / time.Since(begun).Seconds()
}

func percentileOf(took []time.Duration) time.Duration {
	if len(took) == 0 {
		return 0
	}
	return percentile(took, 99).Round(time.Millisecond)
}

func cpuOf(tb testing.TB, pid int) time.Duration {
	tb.Helper()
	cpu, err := rig.CPU(pid)
	if err != nil {
		tb.Fatal(err)
	}
	return cpu
}

func hangUp(conns []*rig.Conn) {
	for _, c := range conns {
		_ = c.Close()
	}
}
