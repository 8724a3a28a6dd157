package web

import (
	"net/http"
	"slices"
	"strings"

	"tollgate/cmd/tollgate/web/schema"
)

// Endpoint is what a route does: read, decide, answer.
type Endpoint struct {
	Serve    func(*Call) error
	Request  schema.Description // of the body or the query; nil when it reads neither
	Response schema.Description

	heavy bool // see Heavy
}

// JSON makes an endpoint that reads a JSON body. The value do returns is the
// answer's body: nil or an error writes nothing of its own.
func JSON[Req, Resp any](d *Dialect, do func(*Call, *Req) (Resp, error), options ...schema.Option) Endpoint {
	s := compile[Req](d, options)
	return withBody(endpoint(s, func(c *Call, in *Req) error {
		if err := c.checkContentType(); err != nil {
			return err
		}
		return s.Decode(c.Body(), in)
	}, do))
}

// withBody makes an endpoint read the request's body before anything else.
func withBody(e Endpoint) Endpoint {
	serve := e.Serve
	e.Serve = func(c *Call) error {
		if err := c.readBody(); err != nil {
			return err
		}
		return serve(c)
	}
	return e
}

// Query makes an endpoint that reads the query string.
func Query[Req, Resp any](d *Dialect, do func(*Call, *Req) (Resp, error), options ...schema.Option) Endpoint {
	s := compile[Req](d, options)
	return endpoint(s, func(c *Call, in *Req) error { return s.DecodeQuery(c.Query(), in) }, do)
}

// Plain makes an endpoint that reads nothing but its path and headers.
func Plain[Resp any](do func(*Call) (Resp, error)) Endpoint {
	e := endpoint(nil, func(*Call, *struct{}) error { return nil },
		func(c *Call, _ *struct{}) (Resp, error) { return do(c) })
	return e
}

func compile[Req any](d *Dialect, options []schema.Option) *schema.Schema[Req] {
	return schema.MustCompile[Req](slices.Concat(d.Schema, options)...)
}

func endpoint[Req, Resp any](s *schema.Schema[Req], read func(*Call, *Req) error, do func(*Call, *Req) (Resp, error)) Endpoint {
	e := Endpoint{Response: schema.Describe[Resp]()}
	if s != nil {
		e.Request = s.Describe()
	}
	e.Serve = func(c *Call) error {
		if err := c.admit(); err != nil {
			return err
		}
		in := new(Req)
		if err := read(c, in); err != nil {
			return err
		}
		if err := c.authorise(); err != nil {
			return err
		}
		if err := c.takeTurn(); err != nil {
			return err
		}
		defer c.turn.End()
		out, err := do(c, in)
		if err != nil {
			return err
		}
		return c.WriteJSON(out)
	}
	return e
}

func (c *Call) admit() error {
	if c.dialect.Admit == nil || c.route.Public {
		return nil
	}
	return c.dialect.Admit(c)
}

func (c *Call) authorise() error {
	if c.dialect.Authorise == nil || c.route.Public {
		return nil
	}
	c.known = true
	return c.dialect.Authorise(c)
}

func (c *Call) checkContentType() error {
	if !c.dialect.RequireJSON {
		return nil
	}
	kind, _, _ := strings.Cut(string(c.http.Request.Header.ContentType()), ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "application/json") {
		return &Fault{http.StatusUnsupportedMediaType, "the body must be application/json"}
	}
	return nil
}

// Write sets the answer's body and what it is. It copies body.
func (c *Call) Write(contentType string, body []byte) {
	c.http.SetContentType(contentType)
	c.http.Response.SetBody(body)
}
