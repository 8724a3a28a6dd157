package metrics

import (
	"errors"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/redisdb"
	"tollgate/verify/authz"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// Checks of limits that were not decided are counted like verifications: by how the store
// failed and whether it is certain that nothing was spent. What was decided is not counted.
func TestUndecidedLimitsAreCounted(t *testing.T) {
	m := New(nil)
	unknown := redisdb.Unavailable(errors.New("no answer"))
	for _, err := range []error{nil, keys.Invalidf("limit", "wrong"), unknown, unknown, keys.SpentNothing(unknown)} {
		m.Limited(err)
	}
	for outcome, want := range map[string]float64{"unknown": 2, "certain": 1} {
		if got := testutil.ToFloat64(m.limitFailures.WithLabelValues("slow", outcome)); got != want {
			t.Errorf("%s: %v, want %v", outcome, got, want)
		}
	}
	if n := testutil.CollectAndCount(m.limitFailures); n != 2*len(keys.Failures()) {
		t.Errorf("%d series from the start, want two for each way to fail", n)
	}
	if n := testutil.ToFloat64(m.failures.WithLabelValues("slow", "unknown")); n != 0 {
		t.Errorf("%v verifications", n)
	}
}

// Checks of ext_authz are counted by the code of their answer, each from the start.
func TestChecksAreCounted(t *testing.T) {
	m := New(nil)
	if n := len(m.checks); n != len(authz.Codes()) {
		t.Errorf("%d codes are counted of %d", n, len(authz.Codes()))
	}
	for _, code := range authz.Codes() {
		m.Checked(&authz.Answer{Code: code}, time.Millisecond)
		if got := testutil.ToFloat64(m.checks[code]); got != 1 {
			t.Errorf("%s: %v", code, got)
		}
	}
}
