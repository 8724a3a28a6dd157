package unkeyv2

import (
	"iter"

	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
)

// meta is in each answer.
type meta struct {
	RequestID string `json:"requestId"`
}

func metaOf(c *web.Call) meta { return meta{c.RequestID()} }

// envelope is around the data of an answer. The members of each object of v2 are in
// the order of the alphabet.
type envelope[T any] struct {
	Data T    `json:"data"`
	Meta meta `json:"meta"`
}

// listing is around the rows of a page.
type listing[T any] struct {
	Data       []T        `json:"data"`
	Meta       meta       `json:"meta"`
	Pagination pagination `json:"pagination"`
}

// Parts implements web.Parted.
func (l listing[T]) Parts() iter.Seq[any] {
	return web.Array(`{"data":`, l.Data, web.Text(`,"meta":`), l.Meta, web.Text(`,"pagination":`), l.Pagination, web.Text("}"))
}

// pagination leads to the next page. The cursor is the id of its first row.
type pagination struct {
	Cursor  string `json:"cursor,omitempty"`
	HasMore bool   `json:"hasMore"`
}

// page is some rows, and where the next ones begin; "" where there are none.
type page[T any] struct {
	rows []T
	next string
}

// empty is the data {}.
type empty struct{}

// data makes an endpoint whose answer is the data that do gives.
func data[Req, T any](d *web.Dialect, do func(*web.Call, *Req) (T, error), options ...schema.Option) web.Endpoint {
	return web.JSON(d, func(c *web.Call, in *Req) (envelope[T], error) {
		out, err := do(c, in)
		return envelope[T]{out, metaOf(c)}, err
	}, options...)
}

// rows makes an endpoint whose answer is a page of a list.
func rows[Req, T any](d *web.Dialect, do func(*web.Call, *Req) (page[T], error)) web.Endpoint {
	return web.Heavy(web.JSON(d, func(c *web.Call, in *Req) (listing[T], error) {
		out, err := do(c, in)
		if out.rows == nil {
			out.rows = []T{}
		}
		return listing[T]{out.rows, metaOf(c), pagination{out.next, out.next != ""}}, err
	}))
}

// mapped turns rows of the domain into rows of an answer; never nil.
func mapped[From, To any](all []From, one func(From) To) []To {
	out := make([]To, len(all))
	for i, row := range all {
		out[i] = one(row)
	}
	return out
}
