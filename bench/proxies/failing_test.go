package proxies

import (
	"cmp"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Where no Tollgate answers nobody is let through.
func TestTollgateDown(t *testing.T) {
	each(t, func(t *testing.T, p *proxy) {
		s := open(t, p, policy)
		k := newKey(t, nil)
		s.admitted(k, s.use(k))
		for _, r := range s.relays {
			r.refuse()
		}
		s.untouched(func() {
			for range 5 {
				if a := s.use(k); a.status != p.unasked {
					t.Errorf("want %d, got %s", p.unasked, a)
				}
				if a := s.get(target); a.status != p.unasked {
					t.Errorf("without a key: want %d, got %s", p.unasked, a)
				}
			}
		})
	})
}

// Nor where it takes requests and answers none: clients hear about it soon.
func TestTollgateHangs(t *testing.T) {
	each(t, func(t *testing.T, p *proxy) {
		s := open(t, p, policy)
		k := newKey(t, nil)
		s.admitted(k, s.use(k))
		for _, r := range s.relays {
			r.silent.Store(true)
		}
		s.untouched(func() {
			began := time.Now()
			if a := s.use(k); a.status != p.hung {
				t.Errorf("want %d, got %s", p.hung, a)
			}
			if took := time.Since(began); took > cmp.Or(p.hangs, 4*time.Second) {
				t.Errorf("it took %s", took)
			}
		})
	})
}

// Where HAProxy's script fails, HAProxy goes on with the next rule, which refuses.
func TestScriptFails(t *testing.T) {
	script := filepath.Join(t.TempDir(), "fails.lua")
	text := `core.register_action("tollgate", { "http-req" }, function() error("it fails") end, 1)`
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, p *proxy) {
		if p.name != "haproxy" {
			return // it has no script
		}
		s := open(t, p, policy, "TOLLGATE_LUA="+script)
		s.untouched(func() {
			if a := s.use(newKey(t, nil)); a.status != http.StatusServiceUnavailable {
				t.Errorf("want 503, got %s", a)
			}
		})
	})
}

// While Redis is frozen nothing is decided, and so nobody is let through. The client is told
// that it may come again, and afterwards it can.
func TestRedisFrozen(t *testing.T) {
	each(t, func(t *testing.T, p *proxy) {
		s := open(t, p, policy)
		k := newKey(t, credits(1000))
		s.admitted(k, s.use(k))
		freeze(t)
		before := s.asked()
		s.untouched(func() {
			a := s.use(k)
			s.refused(a, http.StatusServiceUnavailable, "UNAVAILABLE")
			s.problem(a, "UNAVAILABLE")
			s.retryAfter(a, 1)
		})
		if n := s.asked() - before; n != 1 { // what is undecided may have spent
			t.Errorf("%d questions for one request", n)
		}
		thaw(t)
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			if a := s.use(k); a.seen != nil {
				break
			} else if time.Now().After(deadline) {
				t.Fatalf("it does not recover: %s", a)
			}
		}
	})
}

// freeze stops Redis, until thaw or the end of the test.
func freeze(t *testing.T) {
	t.Helper()
	if err := world.Redis.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { thaw(t) })
	for !world.Redis.Stopped() {
		time.Sleep(time.Millisecond)
	}
}

func thaw(t *testing.T) {
	if err := world.Redis.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}
