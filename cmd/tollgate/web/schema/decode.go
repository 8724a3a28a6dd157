package schema

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"sync"

	"github.com/valyala/fastjson"
)

// pooledBody is the largest body whose parser is kept for the next request.
// A parser never shrinks.
const pooledBody = 64 << 10

// decoder is the state of one decoding, kept between requests.
type decoder struct {
	parser     fastjson.Parser
	path       []step
	names      []string // scratch: members no field has
	digits     []byte   // scratch: the number being read
	violations []Violation
	limit      int
	malformed  string
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// Decode reads body into into, which should be zero. The result shares no
// memory with body. The error is an *Error.
func (s *Schema[T]) Decode(body []byte, into *T) error {
	body = bytes.Trim(body, " \t\r\n")
	if len(body) == 0 {
		return &Error{Kind: Empty, Message: "the body is empty; send JSON"}
	}
	if err := checkTokens(body); err != nil {
		return &Error{Kind: Malformed, Message: "the body is not acceptable JSON: " + err.Error()}
	}
	d := decoders.Get().(*decoder)
	d.limit = s.limit
	err := d.document(s.root, body, reflect.ValueOf(into).Elem())
	if len(body) <= pooledBody {
		d.reset()
		decoders.Put(d)
	}
	return err
}

func (d *decoder) reset() {
	clear(d.names)
	d.path, d.names, d.violations, d.malformed = d.path[:0], d.names[:0], nil, ""
}

func (d *decoder) document(n *node, body []byte, into reflect.Value) error {
	v, err := d.parser.ParseBytes(body)
	if err != nil {
		return &Error{Kind: Malformed, Message: "the body is not JSON: " + grammarFault(err)}
	}
	d.value(n, v, into)
	return d.outcome()
}

func (d *decoder) outcome() error {
	switch {
	case d.malformed != "":
		return &Error{Kind: Malformed, Message: d.malformed}
	case len(d.violations) > 0:
		return &Error{Kind: Invalid, Violations: d.violations}
	}
	return nil
}

// grammarFault shortens fastjson's message to the part that does not quote
// the body, which may hold a key.
func grammarFault(err error) string {
	s := err.Error()
	if strings.HasPrefix(s, "unexpected tail") {
		return "something follows the value"
	}
	s, _, _ = strings.Cut(s, "; unparsed tail")
	return strings.TrimSpace(s[strings.LastIndex(s, ": ")+1:])
}

func (d *decoder) value(n *node, v *fastjson.Value, into reflect.Value) {
	switch t := v.Type(); {
	case n.kind == kindCustom:
		d.custom(v, into)
	case n.kind == kindString && t == fastjson.TypeString:
		b, _ := v.StringBytes()
		d.setString(n, string(b), into)
	case n.kind == kindBool && (t == fastjson.TypeTrue || t == fastjson.TypeFalse):
		into.SetBool(t == fastjson.TypeTrue)
	case n.kind == kindInteger && t == fastjson.TypeNumber:
		d.number(n, v, into)
	case n.kind == kindArray && t == fastjson.TypeArray:
		d.array(n, v.GetArray(), into)
	case n.kind == kindStruct && t == fastjson.TypeObject:
		d.object(n, v.GetObject(), into)
	case n.kind == kindObject && t == fastjson.TypeObject:
		d.raw(n, v, into)
	default:
		d.wrongType(n, jsonType(v))
	}
}

func (d *decoder) custom(v *fastjson.Value, into reflect.Value) {
	d.refuseDuplicates(v)
	if d.malformed != "" {
		return
	}
	err := into.Addr().Interface().(Custom).DecodeJSON(v)
	var inner *Error
	switch {
	case errors.As(err, &inner):
		d.broken("custom", inner.Error(), inner.Error())
	case err != nil:
		d.broken("custom", err.Error(), err.Error())
	}
}

func (d *decoder) array(n *node, items []*fastjson.Value, into reflect.Value) {
	if !d.checkCount(n, len(items)) {
		return
	}
	into.Set(reflect.MakeSlice(n.typ, len(items), len(items)))
	for i, item := range items {
		d.path = append(d.path, step{index: i})
		d.value(n.elem, item, into.Index(i))
		d.path = d.path[:len(d.path)-1]
	}
}

// raw keeps the object's text. It is taken before anything looks inside,
// because fastjson unescapes in place.
func (d *decoder) raw(n *node, v *fastjson.Value, into reflect.Value) {
	text := v.MarshalTo(nil)
	if r := n.rules; r.maxProps != nil && int64(v.GetObject().Len()) > *r.maxProps {
		d.count("maxProperties", "have at most", "member", v.GetObject().Len(), *r.maxProps)
		return
	}
	d.refuseDuplicates(v)
	into.SetBytes(text)
}

// object decodes in the order of the fields, not of the document, so that the
// first violation reported is always the same one.
func (d *decoder) object(n *node, o *fastjson.Object, into reflect.Value) {
	var few [24]*fastjson.Value
	members := few[:]
	if len(n.fields) > len(few) {
		members = make([]*fastjson.Value, len(n.fields))
	}
	unknown := len(d.names)
	o.Visit(func(name []byte, v *fastjson.Value) {
		i, known := n.byName[string(name)]
		switch {
		case !known:
			d.names = append(d.names, string(name))
		case members[i] != nil:
			d.twice(n.fields[i].name)
		default:
			members[i] = v
		}
	})
	for i := range n.fields {
		d.field(&n.fields[i], members[i], into)
	}
	d.unknown(n, unknown)
}

func (d *decoder) field(f *field, v *fastjson.Value, into reflect.Value) {
	d.path = append(d.path, step{name: f.name, index: -1})
	switch {
	case v == nil:
		d.absent(f, into)
	case v.Type() == fastjson.TypeNull && f.nullable:
		d.null(f, into)
	default:
		d.value(f.node, v, f.target(into))
	}
	d.path = d.path[:len(d.path)-1]
}

// target returns the place for f's value in the struct, made ready to be set.
func (f *field) target(into reflect.Value) reflect.Value {
	v := into.FieldByIndex(f.index)
	switch f.holder {
	case holdPointer:
		v.Set(reflect.New(f.node.typ))
		return v.Elem()
	case holdMaybe:
		v.Field(0).SetBool(true)
		return v.Field(2)
	}
	return v
}

func (d *decoder) absent(f *field, into reflect.Value) {
	switch {
	case f.required:
		d.missing(f.name)
	case f.fallback != nil:
		f.target(into).Set(*f.fallback)
	}
}

func (d *decoder) null(f *field, into reflect.Value) {
	if f.holder == holdMaybe {
		v := into.FieldByIndex(f.index)
		v.Field(0).SetBool(true)
		v.Field(1).SetBool(true)
	}
}

// unknown deals with the names from index from on, which no field has.
func (d *decoder) unknown(n *node, from int) {
	names := d.names[from:]
	d.refuseTwice(names)
	if n.closed {
		for _, name := range names {
			d.additional(name)
		}
	}
	d.names = d.names[:from]
}
