package ratelimit

import (
	"cmp"
	"strings"
)

// Match reports whether the identifier fits the pattern. A * in the pattern
// stands for any run of characters, also an empty one; everything else stands
// for itself, by its bytes. The time is linear in the two lengths: each piece
// between stars is taken where it first occurs, and that is never taken back,
// because a later place leaves less room for the rest.
func Match(pattern, identifier string) bool {
	head, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == identifier
	}
	identifier, ok := strings.CutPrefix(identifier, head)
	for ok {
		piece, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(identifier, piece)
		}
		_, identifier, ok = strings.Cut(identifier, piece)
		rest = after
	}
	return false
}

// Pick returns the override that applies to the identifier, and false if none
// does. One that names it exactly wins. Among patterns the one with the most
// characters that are not * wins, as the most particular, and among those the
// first in the order of their text, so that every gateway picks the same.
// pattern returns an override's pattern.
func Pick[O any](overrides []O, pattern func(O) string, identifier string) (best O, found bool) {
	for _, o := range overrides {
		if p := pattern(o); Match(p, identifier) && (!found || before(p, pattern(best), identifier)) {
			best, found = o, true
		}
	}
	return best, found
}

// before reports whether pattern a goes before b, for an identifier that fits both.
func before(a, b, identifier string) bool {
	if a == identifier || b == identifier {
		return b != identifier
	}
	return cmp.Or(cmp.Compare(literal(b), literal(a)), cmp.Compare(a, b)) < 0
}

// literal is the number of bytes of a pattern that stand for themselves.
func literal(pattern string) int { return len(pattern) - strings.Count(pattern, "*") }
