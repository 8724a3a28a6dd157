package faults

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// One unknown root key after the other is slowed down; whoever verifies, and whoever
// has a root key that is right, does not notice, though the address is the same.
func TestGuesses(t *testing.T) {
	const burst = 50
	p := startProgram(t, "--log-level", "debug", "--max-guesses", fmt.Sprint(burst))
	id, key := p.createKey(object{})
	guess := func(n int) answered {
		return p.callAs(fmt.Sprintf("tollgate_guess_%032d", n), "GET", "keys.getKey?keyId="+id, nil)
	}
	for n := range 30 {
		if a := guess(n); a.status != http.StatusForbidden {
			t.Fatalf("guess %d was answered %d %s", n, a.status, a.raw)
		}
	}
	tried, refused := 30, 0
	for begun := time.Now(); refused < 20 && time.Since(begun) < 20*time.Second; tried++ {
		switch a := guess(tried); a.status {
		case http.StatusTooManyRequests:
			refused++
		case http.StatusForbidden:
		default:
			t.Fatalf("guess %d was answered %d %s", tried, a.status, a.raw)
		}
		if a := p.call("GET", "keys.getKey?keyId="+id, nil); a.status != http.StatusOK {
			t.Fatalf("a right root key was answered %d %s", a.status, a.raw)
		}
		if a := p.callAs("", "POST", "keys.verifyKey", object{"key": key}); a.status != http.StatusOK {
			t.Fatalf("a verification was answered %d %s", a.status, a.raw)
		}
	}
	counted := p.metric("tollgate_guesses_refused_total")
	text := p.metricsText()
	for _, secret := range []string{p.stack.RootKey, key, id, "tollgate_guess_0"} {
		if strings.Contains(text, secret) {
			t.Errorf("the metrics contain %s", secret)
		}
	}
	time.Sleep(1200 * time.Millisecond)
	later := guess(tried).status
	row(t, "unknown root keys from one address", "%d tried, %d refused with 429, counted %.0f; a second later %d", tried, refused, counted, later)
	if refused == 0 || counted != float64(refused) || later != http.StatusForbidden {
		t.Error("guesses are not slowed down as they should be")
	}
}
