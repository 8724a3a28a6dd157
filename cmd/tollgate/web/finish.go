package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"tollgate/keys"
)

// finish puts on the answer what every answer has, and reports it.
func (c *Call) finish() {
	h := &c.http.Response.Header
	if name := c.dialect.RequestIDHeader; name != "" {
		h.Set(name, c.id)
	}
	status := c.http.Response.StatusCode()
	if status == http.StatusServiceUnavailable && len(h.Peek("Retry-After")) == 0 && c.passes() {
		h.Set("Retry-After", "1")
	}
	if c.dialect.CORS {
		c.allowOrigin()
	}
	if c.dialect.Pretty && c.http.QueryArgs().Has("pretty") {
		c.indent()
	}
	c.leaveBody()
	if c.server.draining.Load() {
		c.http.SetConnectionClose()
	}
	took := time.Since(c.start)
	c.server.log.answered(c, status, took)
	if observe := c.server.config.Observe; observe != nil {
		observe(c, status, took)
	}
}

// passes reports whether what failed may be over in a moment.
func (c *Call) passes() bool {
	var e *keys.Error
	return !errors.As(c.cause, &e) || e.Kind != keys.KindUnavailable || e.Failure.Passes()
}

func (c *Call) indent() {
	var b bytes.Buffer
	if json.Indent(&b, c.http.Response.Body(), "", "  ") == nil {
		c.http.Response.SetBody(b.Bytes())
	}
}

// allowOrigin lets scripts of any origin read the answer and its request id.
func (c *Call) allowOrigin() {
	h := &c.http.Response.Header
	h.Set("Access-Control-Allow-Origin", "*")
	if name := c.dialect.RequestIDHeader; name != "" {
		h.Set("Access-Control-Expose-Headers", name)
	}
}

// preflight answers a browser that asks whether a script may call. The
// requested headers are repeated because "*" would not cover Authorization.
func (c *Call) preflight() bool {
	if !c.dialect.CORS || !c.http.IsOptions() || c.Header("Access-Control-Request-Method") == "" {
		return false
	}
	h := &c.http.Response.Header
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
	if asked := c.Header("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
		h.Set("Vary", "Access-Control-Request-Headers")
	}
	c.SetStatus(http.StatusNoContent)
	return true
}
