package schema

import (
	"iter"
	"reflect"
	"unicode/utf8"
)

// DecodeQuery reads the parameters of a query string by the same plan: text
// becomes what the field is, a repeated parameter fills an array, and anything
// else said twice is a violation. The strings must not be reused afterwards.
func (s *Schema[T]) DecodeQuery(query iter.Seq2[string, string], into *T) error {
	d := &decoder{limit: s.limit}
	d.query(s.root, query, reflect.ValueOf(into).Elem())
	return d.outcome()
}

func (d *decoder) query(n *node, query iter.Seq2[string, string], into reflect.Value) {
	values := make([][]string, len(n.fields))
	for name, value := range query {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			d.malformed = "the query is not valid UTF-8"
			return
		}
		if i, known := n.byName[name]; known {
			values[i] = append(values[i], value)
		} else {
			d.names = append(d.names, name)
		}
	}
	for i := range n.fields {
		d.parameter(&n.fields[i], values[i], into)
	}
	if n.closed {
		for _, name := range d.names {
			d.additional(name)
		}
	}
}

func (d *decoder) parameter(f *field, values []string, into reflect.Value) {
	d.path = append(d.path, step{name: f.name, index: -1})
	switch {
	case len(values) == 0:
		d.absent(f, into)
	case f.node.kind == kindArray:
		d.parameters(f.node, values, f.target(into))
	case len(values) > 1:
		d.wrongType(f.node, "array")
	default:
		d.text(f.node, values[0], f.target(into))
	}
	d.path = d.path[:len(d.path)-1]
}

func (d *decoder) parameters(n *node, values []string, into reflect.Value) {
	if !d.checkCount(n, len(values)) {
		return
	}
	into.Set(reflect.MakeSlice(n.typ, len(values), len(values)))
	for i, value := range values {
		d.path = append(d.path, step{index: i})
		d.text(n.elem, value, into.Index(i))
		d.path = d.path[:len(d.path)-1]
	}
}

// text reads one parameter as what n is.
func (d *decoder) text(n *node, s string, into reflect.Value) {
	switch {
	case n.kind == kindString:
		d.setString(n, s, into)
	case n.kind == kindInteger && s != "" && numberLen(s) == len(s):
		setInteger(d, n, s, into)
	case n.kind == kindBool && (s == "true" || s == "1"):
		into.SetBool(true)
	case n.kind == kindBool && (s == "false" || s == "0"):
		into.SetBool(false)
	default:
		d.wrongType(n, "string")
	}
}
