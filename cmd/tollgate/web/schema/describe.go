package schema

import (
	"maps"
	"reflect"
)

// Description is a JSON Schema of draft 2020-12, the one OpenAPI 3.1 uses, as
// a value that encoding/json writes.
type Description map[string]any

// Describe gives the schema that Decode enforces.
func (s *Schema[T]) Describe() Description { return s.root.describe() }

// Describe gives the schema of what encoding/json writes for a T: a member is
// required unless its tag has omitempty or omitzero. It panics on a check tag that
// does not fit its field, as MustCompile does.
func Describe[T any]() Description {
	c := compiler{answers: true}
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
		out["description"] = f.doc
	}
	return out
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
