package redistest

import (
	"testing"
	"time"
)

// waitLimit is how long anything may take before the test fails. It is ample,
// since test machines are slow when they are busy.
const waitLimit = 30 * time.Second

// await polls until ok.
func await(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	if !within(waitLimit, ok) {
		tb.Fatalf("redistest: waited %v for %s", waitLimit, what)
	}
}

// again is after how long a failover is asked for once more: a node of a Cluster that
// voted for a replica of the same master within two seconds does not vote for another.
const again = 1500 * time.Millisecond

// insist asks, and asks again as long as it is not ok: a failover that finds
// no majority in time is dropped by Redis, not tried again. While one is under
// way, Redis answers a second request with an error, which is not the end.
func insist(tb testing.TB, what string, ask func() error, ok func() bool) {
	tb.Helper()
	var err error
	for deadline := time.Now().Add(2 * waitLimit); time.Now().Before(deadline); {
		wait := again
		if err = ask(); err != nil {
			wait = 200 * time.Millisecond
		}
		if within(wait, ok) {
			return
		}
	}
	tb.Fatalf("redistest: asked for %s for %v: %v", what, 2*waitLimit, err)
}

// within polls until ok or until the time is up.
func within(limit time.Duration, ok func() bool) bool {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	return false
}
