package ratelimit

import (
	"math/rand/v2"
	"strings"
	"testing"

	"tollgate/keys/redisdb/redistest"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, identifier string
		want                bool
	}{
		{"user_1", "user_1", true},
		{"user_1", "user_12", false},
		{"user_*", "user_1", true},
		{"user_*", "user_", true}, // an empty run
		{"user_*", "user", false},
		{"*@example.com", "ann@example.com", true},
		{"*@example.com", "ann@example.com.evil", false},
		{"*", "", true},
		{"**", "anything", true},
		{"", "", true},
		{"", "a", false},
		{"a*a", "a", false}, // the two ends may not share a character
		{"a*a", "aa", true},
		{"*ab*ab", "abab", true},
		{"*ab*ab", "ab", false},
		{"a*b*c", "a-b-b-c", true},
		{"a?c", "abc", false}, // nothing but * is special
		{"[a]", "a", false},
		{`a\*`, `a\b`, true},
		{"ü*", "über", true},
	} {
		if got := Match(c.pattern, c.identifier); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.pattern, c.identifier, got)
		}
	}
}

// TestMatchIsLinear would run for years if stars were tried in every place.
func TestMatchIsLinear(t *testing.T) {
	if Match(strings.Repeat("*a", 5000)+"*b", strings.Repeat("a", 1_000_000)) {
		t.Fatal("matched")
	}
}

// matches is the definition, place by place.
func matches(pattern, identifier string) bool {
	if pattern == "" {
		return identifier == ""
	}
	if pattern[0] != '*' {
		return identifier != "" && identifier[0] == pattern[0] && matches(pattern[1:], identifier[1:])
	}
	for i := range len(identifier) + 1 {
		if matches(pattern[1:], identifier[i:]) {
			return true
		}
	}
	return false
}

func TestMatchAgainstModel(t *testing.T) {
	r := redistest.Rand(t)
	for range 50_000 {
		pattern, identifier := word(r, "ab**", 8), word(r, "ab", 12)
		if got := Match(pattern, identifier); got != matches(pattern, identifier) {
			t.Fatalf("Match(%q, %q) = %v", pattern, identifier, got)
		}
	}
}

func word(r *rand.Rand, letters string, longest int) string {
	w := make([]byte, r.IntN(longest+1))
	for i := range w {
		w[i] = letters[r.IntN(len(letters))]
	}
	return string(w)
}

func FuzzMatch(f *testing.F) {
	f.Add("a*b", "ab")
	f.Add("*aa*a", "aaaa")
	f.Fuzz(func(t *testing.T, pattern, identifier string) {
		if len(pattern) > 12 || len(identifier) > 16 {
			return // the model tries everything
		}
		if got := Match(pattern, identifier); got != matches(pattern, identifier) {
			t.Fatalf("Match(%q, %q) = %v", pattern, identifier, got)
		}
	})
}

func TestPick(t *testing.T) {
	all := []string{"*", "user_*", "user_1*", "*_12", "user_12", "us*r_1*", "vip*", "a*", "*a"}
	same := func(s string) string { return s }
	for identifier, want := range map[string]string{
		"user_12": "user_12", // itself, although patterns fit
		"user_13": "user_1*", // the longest of four
		"user_9":  "user_*",
		"usxr_1":  "us*r_1*",
		"x_12":    "*_12",
		"vip":     "vip*",
		"aa":      "*a", // as long as a*, and first by its text
		"other":   "*",
		"user_1*": "user_1*",
	} {
		for range 20 { // in whatever order they are listed
			rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			if got, ok := Pick(all, same, identifier); !ok || got != want {
				t.Errorf("Pick(%q) = %q, want %q", identifier, got, want)
			}
		}
	}
	if got, ok := Pick([]string{"b*"}, same, "a"); ok {
		t.Errorf("nothing fits, yet %q", got)
	}
}
