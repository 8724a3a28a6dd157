package verify

import (
	"fmt"
	"strings"

	"tollgate/keys"
)

// MaxQuery bounds a written query, in characters.
const MaxQuery = 1000

// ParseQuery reads a query as Unkey's second generation writes it:
//
//	expr := and (OR and)*
//	and  := prim (AND prim)*
//	prim := PERMISSION | "(" expr ")"
//
// AND and OR are read without regard to case. A permission consists of letters,
// digits and _.:*/- and "*" has no meaning of its own. The error is a *keys.Error
// of KindInvalid about a "permissions_query"; positions in it count characters
// from 0.
func ParseQuery(text string) (Query, error) {
	if n := strings.Count(text, "") - 1; n > MaxQuery {
		return Query{}, queryError("the query has %d characters; at most %d are allowed", n, MaxQuery)
	}
	p := queryParser{text: text}
	p.next()
	q := p.joined(false)
	if p.err == nil && p.token != "" {
		p.unexpected("AND, OR or the end")
	}
	if p.err != nil {
		return Query{}, p.err
	}
	return q, nil
}

func queryError(format string, args ...any) error {
	return &keys.Error{Kind: keys.KindInvalid, Resource: "permissions_query", Field: "permissions", Message: fmt.Sprintf(format, args...)}
}

// queryParser descends through a query. Past an error it sees the end.
type queryParser struct {
	text  string
	at    int    // where the text behind the token begins
	token string // the present one; "" at the end
	err   error
}

// joined reads terms joined by AND, or sequences of those joined by OR. A term
// that is itself joined by the same word is taken apart: a query has one form.
func (p *queryParser) joined(and bool) Query {
	word, term := "OR", func() Query { return p.joined(true) }
	if and {
		word, term = "AND", p.primary
	}
	all := Query{all: and}
	for {
		all.add(term())
		if !strings.EqualFold(p.token, word) {
			break
		}
		p.next()
	}
	if len(all.terms) == 1 {
		return all.terms[0]
	}
	return all
}

func (q *Query) add(term Query) {
	if len(term.terms) > 0 && term.all == q.all {
		q.terms = append(q.terms, term.terms...)
		return
	}
	q.terms = append(q.terms, term)
}

func (p *queryParser) primary() Query {
	switch {
	case p.token == "(":
		p.next()
		q := p.joined(false)
		if p.err == nil && p.token != ")" {
			p.unexpected("AND, OR or )")
		}
		p.next()
		return q
	case p.token == "" || p.token == ")" || strings.EqualFold(p.token, "AND") || strings.EqualFold(p.token, "OR"):
		p.unexpected("a permission or (")
		return Query{}
	}
	q := Permission(p.token)
	p.next()
	return q
}

// next moves to the token behind the present one.
func (p *queryParser) next() {
	p.at += len(p.text[p.at:]) - len(strings.TrimLeft(p.text[p.at:], " \t\r\n"))
	n := 0
	for p.at+n < len(p.text) && inPermission(p.text[p.at+n]) {
		n++
	}
	if rest := p.text[p.at:]; n == 0 && rest != "" {
		if rest[0] != '(' && rest[0] != ')' {
			p.fail(p.at, "unexpected character %q", []rune(rest)[0])
			return
		}
		n = 1
	}
	p.token = p.text[p.at : p.at+n]
	p.at += n
}

func inPermission(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || strings.IndexByte("_.:*/-", b) >= 0
}

func (p *queryParser) unexpected(want string) {
	got := "the end"
	if p.token != "" {
		got = "'" + p.token + "'"
	}
	p.fail(p.at-len(p.token), "unexpected %s, want %s", got, want)
}

// fail notes the first error and ends the text. Everything before at is ASCII, so
// bytes are characters.
func (p *queryParser) fail(at int, format string, args ...any) {
	if p.err == nil {
		p.err = queryError("syntax error at position %d: %s", at, fmt.Sprintf(format, args...))
	}
	p.at, p.token = len(p.text), ""
}
