package e2e

import (
	"slices"
	"sync"
	"testing"
)

const (
	callers = 600
	rounds  = 10
)

// race sends the same verification from callers goroutines at once, spread over all gateways, and
// sorts the answers by outcome. Any answer that is not a decision ends the test.
func race(t *testing.T, request object) map[string][]object {
	t.Helper()
	answers := make([]answer, callers)
	start := make(chan struct{})
	var done sync.WaitGroup
	for i := range answers {
		done.Go(func() {
			<-start
			answers[i] = gateAt(t, i).call("POST", "keys.verifyKey", request)
		})
	}
	close(start)
	done.Wait()
	outcomes := make(map[string][]object)
	for _, a := range answers {
		if a.err != nil || a.status != 200 || a.body["valid"] != (a.code() == "VALID") {
			t.Fatalf("not a decision: %s", a)
		}
		outcomes[a.code()] = append(outcomes[a.code()], a.body)
	}
	return outcomes
}

// wantCounts checks how many callers got which outcome, and that there was no other.
func wantCounts(t *testing.T, got map[string][]object, want map[string]int) {
	t.Helper()
	for code, answers := range got {
		if len(answers) != want[code] {
			t.Errorf("%s: want exactly %d, got %d", code, want[code], len(answers))
		}
	}
	if len(got[valid]) != want[valid] {
		t.Errorf("VALID: want exactly %d, got %d", want[valid], len(got[valid]))
	}
}

const (
	valid         = "VALID"
	rateLimited   = "RATE_LIMITED"
	usageExceeded = "USAGE_EXCEEDED"
)

// wantEachOnce checks that the accepted answers show n-1, n-2, … 0 left, each exactly once: every
// accepted verification was one step of its own, however they interleaved.
func wantEachOnce(t *testing.T, answers []object, n int, left func(object) any) {
	t.Helper()
	var shown []int
	for _, body := range answers {
		number, ok := left(body).(float64)
		if !ok {
			t.Fatalf("nothing left shown in %v", body)
		}
		shown = append(shown, int(number))
	}
	slices.Sort(shown)
	for i, number := range shown {
		if i != number || len(shown) != n {
			t.Fatalf("want 0 to %d, each once, got %v", n-1, shown)
		}
	}
}

func balanceLeft(body object) any { return body["remaining"] }

func limitLeft(body object) any {
	limit, _ := body["ratelimit"].(object)
	return limit["remaining"]
}

// TestExactlyTheLimitPasses: limit 100, 600 callers on three gateways, exactly 100 pass, ten times over.
func TestExactlyTheLimitPasses(t *testing.T) {
	g := gateAt(t, 0)
	for range rounds {
		_, key := g.createKey(object{"ratelimit": object{"limit": 100, "duration": quietWindow()}})
		got := race(t, object{"key": key})
		wantCounts(t, got, map[string]int{valid: 100, rateLimited: 500})
		wantEachOnce(t, got[valid], 100, limitLeft)
		if left := g.peek(key); left != 0 {
			t.Errorf("want none left, got %v", left)
		}
	}
}

// TestExactlyTheBalanceIsSpent: balance 100, exactly 100 uses, ten times over.
func TestExactlyTheBalanceIsSpent(t *testing.T) {
	g := gateAt(t, 0)
	for range rounds {
		id, key := g.createKey(object{"remaining": 100})
		got := race(t, object{"key": key})
		wantCounts(t, got, map[string]int{valid: 100, usageExceeded: 500})
		wantEachOnce(t, got[valid], 100, balanceLeft)
		if left := g.getKey(id)["remaining"]; left != 0.0 {
			t.Errorf("want none left, got %v", left)
		}
	}
}

// TestACostIsSpentWholeOrNotAtAll: balance 100 at 3 each is 33 uses, and 1 is left over.
func TestACostIsSpentWholeOrNotAtAll(t *testing.T) {
	g := gateAt(t, 0)
	id, key := g.createKey(object{"remaining": 100})
	wantCounts(t, race(t, object{"key": key, "remaining": object{"cost": 3}}), map[string]int{valid: 33, usageExceeded: 567})
	if left := g.getKey(id)["remaining"]; left != 1.0 {
		t.Errorf("want 1 left, got %v", left)
	}
}

// TestSeveralLimitsAreChargedTogetherOrNotAtAll: under limits of 100 and 50 exactly 50 pass, and
// exactly 50 are counted in each, although 550 were refused by one of them.
func TestSeveralLimitsAreChargedTogetherOrNotAtAll(t *testing.T) {
	g := gateAt(t, 0)
	for range rounds {
		duration := quietWindow()
		_, key := g.createKey(object{"ratelimit": object{"limit": 100, "duration": duration}})
		second := object{"name": "second", "limit": 50, "duration": duration}
		wantCounts(t, race(t, object{"key": key, "ratelimits": []object{second}}), map[string]int{valid: 50, rateLimited: 550})
		if left := g.peek(key); left != 50 {
			t.Errorf("limit of 100: want 50 counted, got %v", 100-left)
		}
		wantUsed(g, key, second, 50)
	}
}

// TestRefusedForCreditsTakesNoToken: a balance of 30 under limits of 100 and 200.
func TestRefusedForCreditsTakesNoToken(t *testing.T) {
	g := gateAt(t, 0)
	for range rounds {
		duration := quietWindow()
		_, key := g.createKey(object{"remaining": 30, "ratelimit": object{"limit": 100, "duration": duration}})
		second := object{"name": "second", "limit": 200, "duration": duration}
		wantCounts(t, race(t, object{"key": key, "ratelimits": []object{second}}), map[string]int{valid: 30, usageExceeded: 570})
		if left := g.peek(key); left != 70 {
			t.Errorf("limit of 100: want 30 counted, got %v", 100-left)
		}
		wantUsed(g, key, second, 30)
	}
}

// TestRefusedForALimitCostsNoCredit: a limit of 30 and a balance of 100.
func TestRefusedForALimitCostsNoCredit(t *testing.T) {
	g := gateAt(t, 0)
	id, key := g.createKey(object{"remaining": 100, "ratelimit": object{"limit": 30, "duration": quietWindow()}})
	wantCounts(t, race(t, object{"key": key}), map[string]int{valid: 30, rateLimited: 570})
	if left := g.getKey(id)["remaining"]; left != 70.0 {
		t.Errorf("want 70 left, got %v", left)
	}
}

// wantUsed finds out what is counted in a limit that no answer shows: one more than what is left
// is refused, which is free, and what is left exactly is accepted.
func wantUsed(g gate, key string, limit object, used int) {
	g.t.Helper()
	left := limit["limit"].(int) - used
	ask := func(cost int) object {
		return object{"key": key, "remaining": object{"cost": 0}, "ratelimits": []object{{"name": "default", "cost": 0},
			{"name": limit["name"], "limit": limit["limit"], "duration": limit["duration"], "cost": cost}}}
	}
	g.want(rateLimited, ask(left+1))
	g.want(valid, ask(left))
}
