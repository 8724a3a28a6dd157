package netbird

import (
	"encoding/json"

	"tollgate/cmd/tollgate/web/schema"

	"github.com/valyala/fastjson"
)

// body is a request's body read as encoding/json reads it, because NetBird's own
// server does: names in any case, null for what is left out, whatever is unknown
// ignored. Package schema has made sure before that it is one JSON value, of a
// bounded depth and without a name twice. What the values mean is the store's to
// check, which does so in NetBird's order.
type body[T any] struct{ value T }

// DecodeJSON implements schema.Custom.
func (b *body[T]) DecodeJSON(v *fastjson.Value) error {
	return json.Unmarshal(v.MarshalTo(nil), &b.value)
}

// DescribeJSON implements schema.Custom: every member may be left out or null, as
// far as reading goes.
func (b *body[T]) DescribeJSON() schema.Description {
	d := schema.Describe[T]()
	delete(d, "required")
	properties, _ := d["properties"].(map[string]any)
	for name, member := range properties {
		if one, ok := member.(schema.Description); ok {
			properties[name] = schema.Description{"anyOf": []schema.Description{one, {"type": "null"}}}
		}
	}
	return d
}
