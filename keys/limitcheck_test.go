package keys_test

import (
	"testing"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/ratelimit"
)

// Errors name the limits of a key and of an identity as dialects expect, and say the same.
func TestLimitsAreCheckedAlike(t *testing.T) {
	good := ratelimit.Limit{Name: "a", Limit: 1, Duration: 60_000}
	change := func(edit func(*ratelimit.Limit)) []ratelimit.Limit {
		bad := good
		bad.Name = "b"
		edit(&bad)
		return []ratelimit.Limit{good, bad}
	}
	for name, c := range map[string]struct {
		limits        []ratelimit.Limit
		key, identity string
	}{
		"good":      {change(func(*ratelimit.Limit) {}), "", ""},
		"no name":   {change(func(l *ratelimit.Limit) { l.Name = "" }), "ratelimits: a limit's name has 1 to 512 bytes", "ratelimits.1.name: a limit's name has 1 to 512 bytes"},
		"NUL":       {change(func(l *ratelimit.Limit) { l.Name = "\x00" }), "ratelimits: a limit's name has 1 to 512 bytes", "ratelimits.1.name: a limit's name has 1 to 512 bytes"},
		"limit":     {change(func(l *ratelimit.Limit) { l.Limit = 0 }), "ratelimit.limit: a whole number from 1 to 9007199254740991", "ratelimits.1.limit: a whole number from 1 to 9007199254740991"},
		"duration":  {change(func(l *ratelimit.Limit) { l.Duration = 999 }), "ratelimit.duration: milliseconds, from 1000 to 137438953471", "ratelimits.1.duration: milliseconds, from 1000 to 137438953471"},
		"two names": {change(func(l *ratelimit.Limit) { l.Name = "a" }), "ratelimits: two limits have the name a", `ratelimits.1.name: two limits have the name "a"`},
		"too many":  {make([]ratelimit.Limit, keys.MaxKeyLimits+1), "ratelimits: at most 50", "ratelimits: at most 50"},
	} {
		if got := text(keys.KeyLimits.Check(c.limits)); got != c.key {
			t.Errorf("%s, of a key: %q, want %q", name, got, c.key)
		}
		if got := text(keys.IdentityLimits.Check(c.limits)); got != c.identity {
			t.Errorf("%s, of an identity: %q, want %q", name, got, c.identity)
		}
	}
	if err := keys.IdentityLimits.Check(change(func(l *ratelimit.Limit) { l.Name = "a" })); keystest.Kind(err) != keys.KindConflict {
		t.Errorf("two limits of one name: %v", err)
	}
	override := keys.Override{Identifier: "x", Limit: -1, Duration: 60_000}
	if got := text(override.Check()); got != "limit: a whole number from 0 to 9007199254740991" {
		t.Errorf("an override: %q", got)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
