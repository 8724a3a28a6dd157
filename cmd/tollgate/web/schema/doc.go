// Package schema reads requests strictly, by a plan made once from a Go type.
//
//	type limit struct {
//		Name     string `json:"name" check:"required,minLen=3,maxLen=255"`
//		Cost     int64  `json:"cost" check:"min=0,default=1"`
//		Duration *int64 `json:"duration" check:"min=1000"`
//	}
//	var limits = schema.MustCompile[limit](schema.Closed())
//
//	var in limit
//	err := limits.Decode(body, &in)
//
// # Types
//
// string, bool, int and int64 (a whole number within ±(2^53-1), however it is
// spelt: 1000, 1000.0, 1e3), structs, []T, and
//
//   - *T: may be absent, and is then nil;
//   - Maybe[T]: absent, null or a value, for "leave", "clear" and "set";
//   - Object: a JSON object kept as its text, for metadata;
//   - a type whose pointer implements Custom reads and describes itself.
//
// A field that is neither required nor optional by its type keeps its zero
// value, or its default, when it is absent. Embedded structs are flattened.
// Null is a violation wherever the type or the check "nullable" does not
// allow it.
//
// # Checks
//
// The check tag lists, separated by commas: required, nullable, minLen, maxLen
// (in Unicode code points), min, max, exclusiveMin, enum=a|b|c, default,
// minItems, maxItems, maxProps. The tag pattern holds a regular expression by
// itself, since it may contain commas. The tags items and itemsPattern check
// each element of an array in the same way, and doc is a sentence for Describe.
//
// What is checked elsewhere, because it belongs to the domain, is described by the tags
// bound and itemsBound, with the same checks, maxBytes and maxChars, and by the tags
// boundPattern and itemsBoundPattern. Their numbers may be the names of Constants; patterns
// are the names of Patterns. A bound is the narrower one where a check says the same.
//
// # Strictness
//
// The text must be valid UTF-8 without a byte order mark, one JSON value with
// nothing behind it, at most 64 levels deep and 65536 values long, with no
// member name twice in one object, and with names matched exactly. What is
// wrong comes back as an *Error: either the text could not be read at all, or
// it broke the listed rules, in the order of the fields of the type.
package schema
