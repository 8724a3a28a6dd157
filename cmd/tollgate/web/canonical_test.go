package web

import "testing"

// A name is what fasthttp would send for it, also those for which it has a place of its own.
func TestCanonicalNames(t *testing.T) {
	for name, want := range map[string]string{
		"RateLimit-Policy": "Ratelimit-Policy", "Unkey-Request-Id": "Unkey-Request-Id", "x-request-id": "X-Request-Id", "Cache-Control": "Cache-Control",
	} {
		if got := string(canonical(name)); got != want {
			t.Errorf("%s is sent as %s, want %s", name, got, want)
		}
	}
}
