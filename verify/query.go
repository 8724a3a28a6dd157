package verify

import (
	"slices"
	"strings"
)

// Query is a condition on the permissions of a key: one permission, or several
// queries of which all or any must hold. The zero Query holds always. A
// permission is compared letter by letter; "*" has no meaning of its own.
type Query struct {
	permission string
	all        bool // the terms are joined by AND, otherwise by OR
	terms      []Query
}

// Permission is the query for one permission.
func Permission(slug string) Query { return Query{permission: slug} }

// All holds where each of terms does.
func All(terms ...Query) Query { return Query{all: true, terms: terms} }

// Any holds where one of terms does.
func Any(terms ...Query) Query { return Query{terms: terms} }

// Empty reports whether the query holds always because it asks nothing.
func (q Query) Empty() bool { return q.permission == "" && len(q.terms) == 0 }

// Holds evaluates the query on permissions that are sorted.
func (q Query) Holds(permissions []string) bool {
	switch {
	case q.permission != "":
		_, ok := slices.BinarySearch(permissions, q.permission)
		return ok
	case len(q.terms) == 0:
		return true
	case q.all:
		return !slices.ContainsFunc(q.terms, func(t Query) bool { return !t.Holds(permissions) })
	}
	return slices.ContainsFunc(q.terms, func(t Query) bool { return t.Holds(permissions) })
}

// String writes the query in the language of Unkey's second generation, with no
// parentheses that the precedence of AND over OR makes needless.
func (q Query) String() string {
	if len(q.terms) == 0 {
		return q.permission
	}
	joint := " OR "
	if q.all {
		joint = " AND "
	}
	parts := make([]string, len(q.terms))
	for i, t := range q.terms {
		parts[i] = t.String()
		if q.all && !t.all && len(t.terms) > 1 {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, joint)
}

// Permissions returns every permission that the query names, sorted, each once.
func (q Query) Permissions() []string {
	var all []string
	if q.permission != "" {
		all = append(all, q.permission)
	}
	for _, t := range q.terms {
		all = append(all, t.Permissions()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
