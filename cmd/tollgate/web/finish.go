package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"tollgate/keys"
)

// finish puts on the answer what every answer has, and reports it.
func (c *Call) finish() {
	h := &c.http.Response.Header
	if name := c.dialect.requestID; name != nil {
		c.scratch = append(c.scratch[:0], c.id...)
		h.SetCanonical(name, c.scratch)
	}
	status := c.http.Response.StatusCode()
	if status == http.StatusServiceUnavailable && len(h.Peek("Retry-After")) == 0 && c.passes() {
		h.Set("Retry-After", "1")
	}
	if status == http.StatusUnauthorized && c.dialect.Challenge != "" {
		h.Set("WWW-Authenticate", c.dialect.Challenge)
	}
	if c.dialect.NoStore {
		h.SetCanonical(cacheControl, noStore)
	}
	c.allowOrigin()
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

// exposed are the headers that scripts of the Origins of a dialect may read, beside its
// request id.
const exposed = "RateLimit, RateLimit-Policy, Retry-After"

// allowOrigin lets scripts of the origins that may ask read the answer.
func (c *Call) allowOrigin() {
	h := &c.http.Response.Header
	switch id := c.dialect.requestID; {
	case c.dialect.CORS:
		h.SetCanonical(allowedOrigin, anyOrigin)
		if id != nil {
			h.SetCanonical(exposedHeaders, id)
		}
	case len(c.dialect.Origins) == 0:
	case c.mayAsk():
		h.Set("Access-Control-Allow-Origin", c.Header("Origin"))
		h.Set("Access-Control-Expose-Headers", exposed+", "+string(id))
		fallthrough
	default:
		h.Add("Vary", "Origin")
	}
}

// mayAsk reports whether scripts of the request's origin may ask.
func (c *Call) mayAsk() bool {
	if c.dialect.CORS {
		return true
	}
	if len(c.dialect.Origins) == 0 {
		return false
	}
	origin := c.Header("Origin")
	return origin != "" && slices.ContainsFunc(c.dialect.Origins, func(o string) bool { return o == "*" || strings.EqualFold(o, origin) })
}

// preflight answers a browser that asks whether a script may call. The
// requested headers are repeated because "*" would not cover Authorization.
func (c *Call) preflight() bool {
	if !c.http.IsOptions() || c.Header("Access-Control-Request-Method") == "" || !c.mayAsk() {
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
