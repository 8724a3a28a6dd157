package netbird

import (
	"encoding/json"

	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/verify"

	"github.com/valyala/fastjson"
)

// reading makes an endpoint whose body is read as encoding/json reads it, because
// NetBird's own server does: names in any case, null for what is left out, whatever
// is unknown ignored. What the values mean is the store's to check, which does so in
// NetBird's order.
func reading[Req, Resp any](d *web.Dialect, do func(*web.Call, *Req) (Resp, error)) web.Endpoint {
	return web.JSON(d, func(c *web.Call, _ *body[Req]) (out Resp, err error) {
		in := new(Req)
		if err := json.Unmarshal(c.Body(), in); err != nil {
			return out, &schema.Error{Kind: schema.Malformed, Message: "the body has a member of another type"}
		}
		return do(c, in)
	})
}

// body stands for a body that holds a T. Package schema makes sure that it is one
// JSON value in valid UTF-8, of a bounded depth and without a name twice.
type body[T any] struct{}

// DecodeJSON implements schema.Custom.
func (*body[T]) DecodeJSON(*fastjson.Value) error { return nil }

// DescribeJSON implements schema.Custom: every member may be left out or null, as
// far as reading goes.
func (*body[T]) DescribeJSON() schema.Description {
	d := schema.Describe[T](schema.Constants(verify.Bounds()), schema.Patterns(keys.Patterns()))
	delete(d, "required")
	properties, _ := d["properties"].(map[string]any)
	for name, member := range properties {
		if one, ok := member.(schema.Description); ok {
			properties[name] = schema.Description{"anyOf": []schema.Description{one, {"type": "null"}}}
		}
	}
	return d
}
