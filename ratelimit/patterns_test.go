package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// Whatever the patterns and the identifier: Patterns picks what Pick does.
func TestPatternsPickAsPick(t *testing.T) {
	random := rand.New(rand.NewPCG(1, rand.Uint64()))
	text := func(alphabet string) string {
		b := make([]byte, random.IntN(9))
		for i := range b {
			b[i] = alphabet[random.IntN(len(alphabet))]
		}
		return string(b)
	}
	for range 20_000 {
		var all []string
		seen := map[string]bool{}
		for range random.IntN(12) {
			if p := text("ab**"); strings.Contains(p, "*") && !seen[p] {
				all, seen[p] = append(all, p), true
			}
		}
		identifier := text("ab")
		want, found := Pick(all, func(p string) string { return p }, identifier)
		place, ok := NewPatterns(all).Pick(identifier)
		if ok != found || ok && all[place] != want {
			t.Fatalf("%q of %q: place %d, %t; want %q, %t", identifier, all, place, ok, want, found)
		}
	}
}

// The time of a search depends on the patterns whose beginning fits, not on all.
func BenchmarkPatterns(b *testing.B) {
	var tenants, worst []string
	for i := range 10_000 {
		tenants = append(tenants, fmt.Sprintf("tenant%d:*", i))
		worst = append(worst, strings.Repeat("*a", 200)+fmt.Sprint("*", i, "*b"))
	}
	for name, all := range map[string][]string{"heads": tenants, "worst": worst} {
		p, identifier := NewPatterns(all), "tenant77:"+strings.Repeat("a", 500)
		b.Run(name+"/compiled", func(b *testing.B) {
			for b.Loop() {
				p.Pick(identifier)
			}
		})
		b.Run(name+"/each", func(b *testing.B) {
			for b.Loop() {
				Pick(all, func(p string) string { return p }, identifier)
			}
		})
	}
}
