package proxies

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dunglas/httpsfv"
)

// month is a limit's window in ms in which no test comes to an end.
const month = 30 * 24 * 3600 * 1000

func limitedTo(n int) object {
	return object{"ratelimits": []object{{"name": "requests", "limit": n, "duration": month, "autoApply": true}}}
}

// A client is answered as Tollgate decides, whatever stands in between, and the application
// is asked by whoever may use it and by nobody else.
func TestAnswers(t *testing.T) {
	each(t, func(t *testing.T, p *proxy) {
		p.each(t, func(t *testing.T, s *site) {
			k := newKey(t, nil)
			s.admitted(k, s.use(k))
			s.admitted(k, s.get(target, "X-Api-Key", k.secret))
			s.untouched(func() {
				s.challenged(s.get(target), "MISSING_KEY", "")
				s.challenged(s.use(key{secret: "no_such_key_at_all"}), "NOT_FOUND", "invalid_token")
				s.challenged(s.use(newKey(t, object{"enabled": false})), "DISABLED", "invalid_token")
				s.challenged(s.use(newKey(t, object{"expires": time.Now().Add(-time.Hour).UnixMilli()})), "EXPIRED", "invalid_token")
				s.refused(s.use(newKey(t, object{"apiId": world.otherAPI})), 403, "FORBIDDEN")
				lacking := s.use(newKey(t, object{"permissions": []string{}}))
				s.refused(lacking, 403, "INSUFFICIENT_PERMISSIONS")
				s.challenge(lacking, `scope="orders.read"`)
			})
		})
	})
}

// challenged checks a 401.
func (s *site) challenged(a *answer, code, fault string) {
	s.Helper()
	s.refused(a, http.StatusUnauthorized, code)
	s.problem(a, code)
	s.challenge(a, fault)
}

// challenge checks what the client is asked for, and that it is asked once.
func (s *site) challenge(a *answer, part string) {
	s.Helper()
	if all := a.header.Values("WWW-Authenticate"); len(all) != 1 || !strings.HasPrefix(all[0], "Bearer ") || !strings.Contains(all[0], part) {
		s.Errorf("want one challenge with %q, got %q", part, all)
	}
}

// problem checks that the body of a refusal is Tollgate's, where the proxy passes it on.
func (s *site) problem(a *answer, code string) {
	s.Helper()
	if s.proxy.ownPages {
		return
	}
	var body struct{ Code string }
	if err := json.Unmarshal(a.body, &body); err != nil || body.Code != code || a.header.Get("Content-Type") != "application/problem+json" {
		s.Errorf("want a problem %s, got %s", code, a)
	}
}

// Over a limit the client is told which one, and when to come again, and before that how much
// is left.
func TestLimits(t *testing.T) {
	each(t, func(t *testing.T, p *proxy) {
		p.each(t, func(t *testing.T, s *site) {
			k := newKey(t, limitedTo(2))
			for left := 1; left >= 0; left-- {
				a := s.use(k)
				s.admitted(k, a)
				if !s.proxy.silent {
					s.limits(a, int64(left))
				}
			}
			s.untouched(func() {
				a := s.use(k)
				s.refused(a, http.StatusTooManyRequests, "RATE_LIMITED")
				s.problem(a, "RATE_LIMITED")
				s.limits(a, 0)
				s.retryAfter(a, month/1000)
			})
		})
	})
}

// limits reads the RateLimit fields of an answer with a parser that is not ours.
func (s *site) limits(a *answer, left int64) {
	s.Helper()
	item := func(field string) httpsfv.Item {
		list, err := httpsfv.UnmarshalList(a.header.Values(field))
		if err != nil || len(list) != 1 {
			s.Fatalf("%s: %q is not one limit: %v", field, a.header.Values(field), err)
		}
		return list[0].(httpsfv.Item)
	}
	want := func(i httpsfv.Item, parameter string, low, high int64) {
		if got, ok := i.Params.Get(parameter); i.Value != "requests" || !ok || got.(int64) < low || got.(int64) > high {
			s.Errorf("%v: %s is %v, want %d to %d", i.Value, parameter, got, low, high)
		}
	}
	policy, state := item("RateLimit-Policy"), item("RateLimit")
	want(policy, "q", 2, 2)
	want(policy, "w", month/1000, month/1000)
	want(state, "r", left, left)
	want(state, "t", 0, month/1000)
}

// retryAfter checks that the client is told when to come again; 0 is never.
func (s *site) retryAfter(a *answer, most int) {
	s.Helper()
	text := a.header.Get("Retry-After")
	n, err := strconv.Atoi(text)
	if most == 0 && text == "" || most > 0 && err == nil && n > 0 && n <= most {
		return
	}
	s.Errorf("Retry-After is %q, want up to %d", text, most)
}

// Without credits the client is told to wait where they come again, and not where somebody
// has to pay.
func TestCredits(t *testing.T) {
	refilled := object{"credits": object{"remaining": 0, "refill": object{"interval": "daily", "amount": 1}}}
	each(t, func(t *testing.T, p *proxy) {
		p.each(t, func(t *testing.T, s *site) {
			k := newKey(t, credits(1))
			if got := s.admitted(k, s.use(k)).Header.Get("X-Key-Remaining"); got != "0" {
				t.Errorf("%q credits are left", got)
			}
			s.untouched(func() {
				a := s.use(k)
				s.refused(a, http.StatusTooManyRequests, "USAGE_EXCEEDED")
				s.problem(a, "USAGE_EXCEEDED")
				s.retryAfter(a, 0)
				a = s.use(newKey(t, refilled))
				s.refused(a, http.StatusTooManyRequests, "USAGE_EXCEEDED")
				s.retryAfter(a, 24*3600)
			})
		})
	})
}

// Two keys in one request are refused, wherever they stand; the same key twice is one.
func TestTwoKeys(t *testing.T) {
	each(t, func(t *testing.T, p *proxy) {
		s := open(t, p, policy)
		a, b := newKey(t, nil), newKey(t, nil)
		s.admitted(a, s.use(a, "X-Api-Key", a.secret))
		s.untouched(func() {
			s.refused(s.use(a, "X-Api-Key", b.secret), http.StatusBadRequest, "SEVERAL_KEYS")
			s.refused(s.get(target, "X-Api-Key", a.secret, "X-Api-Key", b.secret), http.StatusBadRequest, "SEVERAL_KEYS")
			// Some proxies refuse a second line of this header by themselves.
			if a := s.use(a, "Authorization", "Bearer "+b.secret); a.status != http.StatusBadRequest {
				s.Errorf("Authorization twice: %s", a)
			}
		})
	})
}
