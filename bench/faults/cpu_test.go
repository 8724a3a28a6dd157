package faults

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"tollgate/bench/rig"
)

// pour has every connection ask again as soon as it is answered. It returns how many were served a
// second; whatever is not served has to be refused as overload.
func pour(tb testing.TB, conns []*rig.Conn, request rig.Request, n int) (served float64, run rig.Run) {
	tb.Helper()
	run, err := rig.Hammer(conns, []rig.Request{request}, n, rig.Want{Status: http.StatusOK, Text: `"valid":true`})
	if err != nil {
		tb.Fatal(err)
	}
	return float64(int64(n)-run.Shed) / run.Took.Seconds(), run
}

// Ten times as many callers as keep the processors busy, none of whom waits between its requests:
// each gets 200 or 503, at least four fifths as much is served as before, and when it is over as
// much as before. In CI, beside other tests, half is enough.
func TestOverloadOfTheProcessor(t *testing.T) {
	p := startProgram(t)
	_, key := p.createKey(object{"remaining": 1 << 40})
	body, _ := json.Marshal(object{"key": key})
	request := rig.NewRequest("/v1/keys.verifyKey", "", body)
	g := p.stack.Gateways[0]
	few, err := rig.DialMany(g.Addr, 128)
	many, manyErr := rig.DialMany(g.Addr, 1280)
	if err := errors.Join(err, manyErr); err != nil {
		t.Fatal(err)
	}
	defer hangUp(few)
	defer hangUp(many)
	n := scale(10_000, 100_000)
	_, _ = pour(t, many, request, n) // makes the connections' buffers
	best := 0.0
	for range 3 {
		var peak, served, after float64
		var run rig.Run
		alone := share(t, g.PID(), func() { peak, _ = pour(t, few, request, n) })
		flooded := share(t, g.PID(), func() { served, run = pour(t, many, request, n) })
		after, _ = pour(t, few, request, n)
		row(t, "10 times overload of the processor", "128 callers %.0f/s at %.0f %% of a processor; 1280 callers %.0f/s (%.0f %%) at %.0f %%, p99 %s, %d shed; afterwards %.0f/s",
			peak, alone, served, 100*served/peak, flooded, percentileOf(run.Latencies), run.Shed, after)
		best = max(best, min(served, after)/peak)
	}
	if best < scale(0.5, 0.8) {
		t.Errorf("overload leaves %.2f of the throughput", best)
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
