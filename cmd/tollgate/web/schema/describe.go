package schema

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
)

// Description is a JSON Schema of draft 2020-12, the one OpenAPI 3.1 uses, as
// a value that encoding/json writes.
type Description map[string]any

// Describe returns the schema that Decode enforces.
func (s *Schema[T]) Describe() Description { return s.root.describe() }

// Describe returns the schema of what encoding/json writes for a T: a member is
// required unless its tag has omitempty or omitzero. With Constants it is that of what
// encoding/json reads, with its bounds. It panics on a check tag that
// does not fit its field, as MustCompile does.
func Describe[T any](options ...Option) Description {
	c := compiler{answers: true}
	for _, o := range options {
		o(&c)
	}
	root, err := c.node(reflect.TypeFor[T](), "", "", "")
	if err != nil {
		panic(err)
	}
	return root.describe()
}

func (n *node) describe() Description {
	if n.kind == kindCustom {
		return maps.Clone(reflect.New(n.typ).Interface().(Custom).DescribeJSON())
	}
	out := Description{}
	if name := typeNames[n.kind]; name != "" {
		out["type"] = name
	}
	n.rules.describe(out)
	n.describeSaid(out)
	switch n.kind {
	case kindTime:
		out["format"] = "date-time"
	case kindArray:
		out["items"] = n.elem.describe()
	case kindMap:
		out["additionalProperties"] = n.elem.describe()
	case kindStruct:
		n.describeFields(out)
	}
	return out
}

func (n *node) describeFields(out Description) {
	properties := map[string]any{}
	var required []string
	for _, f := range n.fields {
		properties[f.name] = f.describe()
		if f.required {
			required = append(required, f.name)
		}
	}
	out["properties"] = properties
	if required != nil {
		out["required"] = required
	}
	if n.closed {
		out["additionalProperties"] = false
	}
}

func (f *field) describe() Description {
	out := f.node.describe()
	if f.nullable {
		out = orNull(out)
	}
	if f.fallback != nil {
		out["default"] = f.fallback.Interface()
	}
	if f.doc != "" {
		out["description"] = strings.TrimSpace(f.doc + " " + said(out))
	}
	return out
}

// describeSaid writes the bounds that are checked elsewhere. They are the narrower ones
// where a tag has the same keyword.
func (n *node) describeSaid(out Description) {
	n.said.describe(out)
	if n.unit != "" {
		out["description"] = fmt.Sprintf("At most %d %s.", *n.said.maxLen, n.unit)
	}
	if n.kind == kindObject {
		delete(out, "maxLength") // that is of strings
	}
	if !n.whole {
		return
	}
	if out["minimum"] == nil && out["exclusiveMinimum"] == nil {
		out["minimum"] = int64(-MaxInteger)
	}
	if out["maximum"] == nil {
		out["maximum"] = int64(MaxInteger)
	}
}

// said is the description that a value has by itself.
func said(d Description) string {
	text, _ := d["description"].(string)
	return text
}

func orNull(d Description) Description {
	if t, ok := d["type"].(string); ok && d["enum"] == nil {
		d["type"] = []string{t, "null"}
		return d
	}
	if len(d) == 0 {
		return d // anything, null included
	}
	return Description{"anyOf": []Description{d, {"type": "null"}}}
}

func (r *rules) describe(out Description) {
	for keyword, n := range map[string]*int64{
		"minLength": r.minLen, "maxLength": r.maxLen,
		"minimum": r.min, "maximum": r.max, "exclusiveMinimum": r.above,
		"minItems": r.minItems, "maxItems": r.maxItems, "maxProperties": r.maxProps,
	} {
		if n != nil {
			out[keyword] = *n
		}
	}
	if r.enum != nil {
		out["enum"] = r.enum
	}
	if r.pattern != nil {
		out["pattern"] = r.pattern.String()
	}
}
