package schema

import (
	"strconv"
	"strings"
)

// Kind says how a document failed.
type Kind uint8

// The kinds of Error.
const (
	Empty     Kind = iota // there was no body at all
	Malformed             // it is not the JSON this package accepts
	Invalid               // it is JSON, and breaks the rules in Violations
)

// Error is a document that was refused.
type Error struct {
	Kind       Kind
	Message    string      // for Empty and Malformed; never quotes the document
	Violations []Violation // for Invalid: at least one, in the order of the type's fields
}

// Error returns the first thing that is wrong.
func (e *Error) Error() string {
	if len(e.Violations) > 0 {
		return e.Violations[0].String()
	}
	return e.Message
}

// Violation is one rule that one place of the document breaks.
type Violation struct {
	Path       string // dotted: "refill.amount", "ratelimits.0.name"; empty for the document itself
	Keyword    string // of JSON Schema: "minLength", "required", "type", …
	SchemaPath string // "/properties/name/minLength"
	Message    string // plain words: "must be at least 3 characters long"
	Terse      string // in the manner of a validator: "minLength: got 1, want 3"
}

// String is "<path>: <message>".
func (v Violation) String() string {
	if v.Path == "" {
		return v.Message
	}
	return v.Path + ": " + v.Message
}

// step is one move down the document: to a member, or to an element.
type step struct {
	name  string
	index int // -1 for a member
}

func dotted(path []step) string {
	var b strings.Builder
	for i, s := range path {
		if i > 0 {
			b.WriteByte('.')
		}
		if s.index < 0 {
			b.WriteString(s.name)
		} else {
			b.WriteString(strconv.Itoa(s.index))
		}
	}
	return b.String()
}

func schemaPath(path []step, keyword string) string {
	var b strings.Builder
	for _, s := range path {
		if s.index < 0 {
			b.WriteString("/properties/" + s.name)
		} else {
			b.WriteString("/items")
		}
	}
	return b.String() + "/" + keyword
}
