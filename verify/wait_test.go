package verify_test

import (
	"fmt"
	"strings"
	"testing"

	"tollgate/keys"
	"tollgate/ratelimit"
	"tollgate/refill"
	"tollgate/verify"

	"github.com/dunglas/httpsfv"
)

// Retry-After is sent where waiting helps and nowhere else: in whole seconds, rounded up, never 0.
func TestRetryAfter(t *testing.T) {
	limit := func(limit, cost, reset int64, exceeded bool) verify.LimitState {
		return verify.LimitState{Limit: ratelimit.Limit{Limit: limit, Duration: 60_000}, Cost: cost, Reset: reset, Exceeded: exceeded}
	}
	midnight := int64(20_000 * 86_400_000)
	for _, c := range []struct {
		name    string
		cost    int64
		outcome verify.Outcome
		want    int64
	}{
		{"valid", 0, verify.Outcome{Code: verify.Valid, Now: 1}, 0},
		{"expired", 0, verify.Outcome{Code: verify.Expired, Now: 1}, 0},
		{"a limit", 0, verify.Outcome{Code: verify.RateLimited, Now: 1000, Limits: []verify.LimitState{limit(5, 1, 2001, true)}}, 2},
		{"its window ends now", 0, verify.Outcome{Code: verify.RateLimited, Now: 1000, Limits: []verify.LimitState{limit(5, 1, 1000, true)}}, 1},
		{"the later of two", 0, verify.Outcome{Code: verify.RateLimited, Now: 0, Limits: []verify.LimitState{limit(5, 1, 1000, true), limit(5, 1, 9000, true), limit(5, 1, 60_000, false)}}, 9},
		{"a limit that blocks", 0, verify.Outcome{Code: verify.RateLimited, Now: 0, Limits: []verify.LimitState{limit(0, 0, 1000, true)}}, 0},
		{"more than the limit", 0, verify.Outcome{Code: verify.RateLimited, Now: 0, Limits: []verify.LimitState{limit(5, 6, 1000, true)}}, 0},
		{"out of credits", 0, verify.Outcome{Code: verify.UsageExceeded, Key: &keys.Key{}}, 0},
		{"a refill is due", 0, verify.Outcome{Code: verify.UsageExceeded, Now: midnight - 1500, Key: &keys.Key{Refill: &refill.Schedule{Amount: 1}}}, 2},
		{"a refill that suffices", 7, verify.Outcome{Code: verify.UsageExceeded, Now: midnight - 1000, Key: &keys.Key{Refill: &refill.Schedule{Amount: 7}}}, 1},
		{"a refill that does not suffice", 8, verify.Outcome{Code: verify.UsageExceeded, Now: midnight - 1000, Key: &keys.Key{Refill: &refill.Schedule{Amount: 7}}}, 0},
	} {
		if got := (&verify.Request{Cost: c.cost}).RetryAfter(&c.outcome); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// The RateLimit fields are lists of structured fields, the limit that refused is first, and
// together they have at most 512 bytes, however many limits there are and however they are
// called.
func TestLimitFields(t *testing.T) {
	o := verify.Outcome{Code: verify.RateLimited, Now: 1_000_000}
	for i := range 40 {
		o.Limits = append(o.Limits, verify.LimitState{
			Limit:     ratelimit.Limit{Name: fmt.Sprintf(`na"me\ %d é`, i), Limit: keys.MaxCount, Duration: 61_001},
			Remaining: int64(i), Reset: o.Now + 1001, Exceeded: i == 30,
		})
	}
	policy, state := o.LimitFields()
	if len(policy)+len(state) > 512 {
		t.Errorf("%d bytes", len(policy)+len(state))
	}
	policies, states := parseFields(t, policy), parseFields(t, state)
	if len(policies) != len(states) || len(states) < 3 {
		t.Fatalf("%d policies, %d states", len(policies), len(states))
	}
	for i, want := range []string{`na"me\ 30 %C3%A9`, `na"me\ 0 %C3%A9`, `na"me\ 1 %C3%A9`} {
		q, _ := policies[i].Params.Get("q")
		w, _ := policies[i].Params.Get("w")
		r, _ := states[i].Params.Get("r")
		wait, _ := states[i].Params.Get("t")
		if policies[i].Value != want || states[i].Value != want || q != int64(999_999_999_999_999) || w != int64(62) || wait != int64(2) {
			t.Errorf("%v and %v for %s", policies[i], states[i], want)
		}
		if i == 0 && r != int64(30) {
			t.Errorf("%v are left", r)
		}
	}
	if policy, state := (&verify.Outcome{}).LimitFields(); policy+state != "" {
		t.Errorf("%q, %q without a limit", policy, state)
	}
}

func parseFields(t *testing.T, text string) (items []httpsfv.Item) {
	t.Helper()
	list, err := httpsfv.UnmarshalList(strings.Split(text, "\n"))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	for _, member := range list {
		items = append(items, member.(httpsfv.Item))
	}
	return items
}
