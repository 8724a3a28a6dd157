package schema

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fastjson"
)

// setString sets into when s keeps the rules of n.
func (d *decoder) setString(n *node, s string, into reflect.Value) {
	r := &n.rules
	if r.minLen != nil || r.maxLen != nil {
		switch length := utf8.RuneCountInString(s); {
		case r.minLen != nil && int64(length) < *r.minLen:
			d.count("minLength", "be at least", "character", length, *r.minLen)
			return
		case r.maxLen != nil && int64(length) > *r.maxLen:
			d.count("maxLength", "be at most", "character", length, *r.maxLen)
			return
		}
	}
	if r.enum != nil && !slices.Contains(r.enum, s) {
		d.broken("enum", "must be one of "+quotedList(r.enum), "value must be one of "+quotedList(r.enum))
		return
	}
	if r.pattern != nil && !r.pattern.MatchString(s) {
		d.broken("pattern", "must match "+r.pattern.String(), "does not match pattern '"+r.pattern.String()+"'")
		return
	}
	into.SetString(s)
}

func quotedList(values []string) string {
	return "'" + strings.Join(values, "', '") + "'"
}

// number reads the digits as they were written, in a buffer that is used again.
func (d *decoder) number(n *node, v *fastjson.Value, into reflect.Value) {
	d.digits = v.MarshalTo(d.digits[:0])
	setInteger(d, n, d.digits, into)
}

// setInteger sets into when text is an integer that keeps the rules of n.
func setInteger[B []byte | string](d *decoder, n *node, text B, into reflect.Value) {
	r := &n.rules
	v, fault := parseInteger(text)
	switch {
	case fault == integerFraction:
		d.wrongType(n, "number")
	case fault == integerRange && text[0] == '-':
		d.bound("minimum", "at least", string(text), -MaxInteger)
	case fault == integerRange:
		d.bound("maximum", "at most", string(text), MaxInteger)
	case r.min != nil && v < *r.min:
		d.bound("minimum", "at least", string(text), *r.min)
	case r.above != nil && v <= *r.above:
		d.bound("exclusiveMinimum", "greater than", string(text), *r.above)
	case r.max != nil && v > *r.max:
		d.bound("maximum", "at most", string(text), *r.max)
	default:
		into.SetInt(v)
	}
}

func (d *decoder) bound(keyword, words, got string, want int64) {
	limit := strconv.FormatInt(want, 10)
	if len(got) > 24 {
		got = got[:24] + "…"
	}
	d.broken(keyword, "must be "+words+" "+limit, keyword+": got "+got+", want "+limit)
}

func (d *decoder) checkCount(n *node, got int) bool {
	switch r := &n.rules; {
	case r.minItems != nil && int64(got) < *r.minItems:
		d.count("minItems", "have at least", "item", got, *r.minItems)
	case r.maxItems != nil && int64(got) > *r.maxItems:
		d.count("maxItems", "have at most", "item", got, *r.maxItems)
	default:
		return true
	}
	return false
}

// count reports a length or a number of items that is out of bounds.
func (d *decoder) count(keyword, words, unit string, got int, want int64) {
	if want != 1 {
		unit += "s"
	}
	message := fmt.Sprintf("must %s %d %s", words, want, unit)
	if strings.HasSuffix(keyword, "Length") {
		message += " long"
	}
	d.broken(keyword, message, fmt.Sprintf("%s: got %d, want %d", keyword, got, want))
}

func (d *decoder) wrongType(n *node, got string) {
	want := typeNames[n.kind]
	d.broken("type", "expected "+want+", received "+got, "got "+got+", want "+want)
}

// missing and additional belong, as JSON Schema has it, to the object that
// lacks or has the member; the dotted path names the member.
func (d *decoder) missing(name string) {
	if d.full() {
		return
	}
	d.report(Violation{
		Path: dotted(d.path), Keyword: "required",
		SchemaPath: schemaPath(d.path[:len(d.path)-1], "required"),
		Message:    "is required", Terse: "missing property '" + name + "'",
	})
}

func (d *decoder) additional(name string) {
	if d.full() {
		return
	}
	name = shown(name)
	d.report(Violation{
		Path: dotted(append(d.path, step{name: name, index: -1})), Keyword: "additionalProperties",
		SchemaPath: schemaPath(d.path, "additionalProperties"),
		Message:    "is not a known field", Terse: "additional properties '" + name + "' not allowed",
	})
}

func (d *decoder) broken(keyword, message, terse string) {
	if d.full() {
		return
	}
	d.report(Violation{
		Path: dotted(d.path), Keyword: keyword, SchemaPath: schemaPath(d.path, keyword),
		Message: message, Terse: terse,
	})
}

// full is asked before a violation is put into words: a hostile document can
// have tens of thousands.
func (d *decoder) full() bool { return len(d.violations) >= d.limit }

func (d *decoder) report(v Violation) { d.violations = append(d.violations, v) }

// twice makes the document malformed: readers disagree about what it means.
func (d *decoder) twice(name string) {
	if d.malformed == "" {
		d.malformed = "the body is not acceptable JSON: member '" + shown(name) + "' occurs twice in one object"
	}
}

func (d *decoder) refuseTwice(names []string) {
	if len(names) < 2 {
		return
	}
	sorted := slices.Sorted(slices.Values(names))
	for i := range len(sorted) - 1 {
		if sorted[i] == sorted[i+1] {
			d.twice(sorted[i])
		}
	}
}

// refuseDuplicates looks at every object inside v.
func (d *decoder) refuseDuplicates(v *fastjson.Value) {
	switch v.Type() {
	case fastjson.TypeArray:
		for _, item := range v.GetArray() {
			d.refuseDuplicates(item)
		}
	case fastjson.TypeObject:
		if v.GetObject().Len() < 2 {
			v.GetObject().Visit(func(_ []byte, member *fastjson.Value) { d.refuseDuplicates(member) })
			return
		}
		var names []string
		v.GetObject().Visit(func(name []byte, member *fastjson.Value) {
			names = append(names, string(name))
			d.refuseDuplicates(member)
		})
		d.refuseTwice(names)
	}
}

// shown bounds a name from the document before it is repeated to the caller. A long one
// may be a secret that was put in the wrong place: its beginning is enough to find it.
func shown(name string) string {
	if len(name) <= 20 {
		return name
	}
	return strings.ToValidUTF8(name[:8], "") + "…"
}

func jsonType(v *fastjson.Value) string {
	switch t := v.Type(); t {
	case fastjson.TypeTrue, fastjson.TypeFalse:
		return "boolean"
	default:
		return t.String()
	}
}
