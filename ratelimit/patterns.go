package ratelimit

import (
	"cmp"
	"runtime"
	"slices"
	"strings"
)

// Patterns picks among many patterns as Pick does. It is made once for a set of them,
// and never changes.
type Patterns struct {
	byHead map[string][]pattern // by what stands before the first *; those that go first, first
	heads  []int                // the lengths of the heads, each once, the longest first
}

// pattern is one that has a *, taken apart.
type pattern struct {
	text    string
	place   int      // in the list that it is from
	literal int      // how many of its bytes stand for themselves
	tail    string   // what stands behind the last *
	middle  []string // what stands between two of them, in order
}

// yieldEvery is after how many patterns of one search the other goroutines have a turn:
// a long one does not keep the processor from those who wait for an answer of Redis.
const yieldEvery = 64

// NewPatterns makes patterns ready. Those without a * are left out.
func NewPatterns(texts []string) *Patterns {
	p := &Patterns{byHead: map[string][]pattern{}}
	for place, text := range texts {
		pieces := strings.Split(text, "*")
		last := len(pieces) - 1
		if last == 0 {
			continue
		}
		one := pattern{text: text, place: place, literal: literal(text), tail: pieces[last]}
		one.middle = slices.DeleteFunc(pieces[1:last:last], func(piece string) bool { return piece == "" })
		p.byHead[pieces[0]] = append(p.byHead[pieces[0]], one)
	}
	for head, list := range p.byHead {
		slices.SortFunc(list, func(a, b pattern) int { return cmp.Or(b.literal-a.literal, cmp.Compare(a.text, b.text)) })
		p.heads = append(p.heads, len(head))
	}
	slices.Sort(p.heads)
	p.heads = slices.Compact(p.heads)
	slices.Reverse(p.heads)
	return p
}

// Empty reports whether there is no pattern.
func (p *Patterns) Empty() bool { return len(p.heads) == 0 }

// Pick returns the place of the pattern that applies to an identifier, and false where none
// does. It looks at those alone whose beginning fits, and stops at the first of each that
// fits as a whole.
func (p *Patterns) Pick(identifier string) (place int, found bool) {
	var best *pattern
	tried := 0
	for _, length := range p.heads {
		if length > len(identifier) {
			continue
		}
		list := p.byHead[identifier[:length]]
		for i := range list {
			one := &list[i]
			if best != nil && !one.before(best) {
				break
			}
			if tried++; tried%yieldEvery == 0 {
				runtime.Gosched()
			}
			if one.fits(identifier, length) {
				best = one
				break
			}
		}
	}
	if best == nil {
		return 0, false
	}
	return best.place, true
}

// before reports whether a goes before b, where an identifier fits both.
func (a *pattern) before(b *pattern) bool {
	return a.literal > b.literal || a.literal == b.literal && a.text < b.text
}

// fits is Match, for an identifier that has the head of a length.
func (a *pattern) fits(identifier string, head int) bool {
	if len(identifier) < a.literal || !strings.HasSuffix(identifier, a.tail) {
		return false
	}
	rest := identifier[head : len(identifier)-len(a.tail)]
	for _, piece := range a.middle {
		at := strings.Index(rest, piece)
		if at < 0 {
			return false
		}
		rest = rest[at+len(piece):]
	}
	return true
}
