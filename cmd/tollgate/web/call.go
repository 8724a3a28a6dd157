package web

import (
	"context"
	"iter"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"tollgate/keys/audit"
	"tollgate/keys/turns"

	"github.com/valyala/fasthttp"
)

// Call is one request and its answer. It is used again after the handler
// returns: keep its strings and its Context if you must, never the Call, nor a
// slice it gave.
type Call struct {
	// Caller is for the dialect's Authorise: who is asking.
	Caller any

	server  *Server
	http    *fasthttp.RequestCtx
	dialect *Dialect
	route   *Route // nil until one has matched
	id      string
	start   time.Time
	ctx     *requestContext
	cause   error       // why it failed, for the log
	turn    *turns.Turn // of a heavy endpoint
	body    []byte
	limits  [2][]byte // of SetLimits
	scratch []byte

	in             []byte // the request's body, as far as it was read
	whole          bool   // it was read to its end
	reserved       int64  // bytes of the server's memory
	credentialGood bool   // the caller may send a large body

	authorization string // once it was asked for: the dialect and the endpoint do
	asked         bool

	client  netip.Addr // once it was asked for
	located bool
	origin  *audit.Origin // once it was asked for
	known   bool          // Authorise was asked who is calling
}

var calls = sync.Pool{New: func() any { return new(Call) }}

func (s *Server) newCall(ctx *fasthttp.RequestCtx, path string) *Call {
	c := calls.Get().(*Call)
	d := owner(path, s.router.dialects, s.router.fallback)
	*c = Call{server: s, http: ctx, dialect: d, id: d.NewRequestID(), start: time.Now(), body: c.body[:0], in: c.in[:0], limits: c.limits, scratch: c.scratch}
	return c
}

// pooledAnswer is the largest answer whose buffer is kept.
const pooledAnswer = 64 << 10

func (c *Call) release() {
	if c.ctx != nil {
		c.ctx.end()
	}
	c.server.memory.release(c.reserved)
	*c = Call{body: c.body, in: c.in, limits: c.limits, scratch: c.scratch}
	if cap(c.in) > smallBody {
		c.in = nil
	}
	if cap(c.body) <= pooledAnswer {
		calls.Put(c)
	}
}

// restart makes the request's time begin now: its body had to be waited for.
func (c *Call) restart() {
	if c.ctx != nil {
		c.ctx.end()
		c.ctx = nil
	}
	c.start = time.Now()
}

// Context has the request's deadline. It may outlive the call.
func (c *Call) Context() context.Context {
	if c.ctx == nil {
		c.ctx = &requestContext{call: c, base: c.server.base, start: c.start, deadline: c.start.Add(c.server.config.RequestTimeout)}
	}
	return c.ctx
}

// Origin is from where the request came, for the audit log.
func (c *Call) Origin() *audit.Origin {
	if c.origin == nil {
		c.origin = &audit.Origin{RequestID: c.id, Address: c.Client()}
	}
	return c.origin
}

// RequestID names the request in the answer and in the log.
func (c *Call) RequestID() string { return c.id }

// Route is the matched row of the table; nil when none matched.
func (c *Call) Route() *Route { return c.route }

// Dialect is the one that owns the path.
func (c *Call) Dialect() *Dialect { return c.dialect }

// Cause is why the request failed; nil where it did not.
func (c *Call) Cause() error { return c.cause }

// Start is when the request had been read.
func (c *Call) Start() time.Time { return c.start }

// Method is the request's method.
func (c *Call) Method() string { return string(c.http.Method()) }

// Path is the request's path as it was sent, without the query.
func (c *Call) Path() string { return string(c.http.URI().PathOriginal()) }

// Param is a parameter of the route's path, such as keyId in "/keys/{keyId}".
func (c *Call) Param(name string) string {
	raw, _ := c.http.UserValue(name).(string)
	if plain, err := url.PathUnescape(raw); err == nil {
		raw = plain
	}
	return strings.Clone(raw)
}

// Body is the request's body on routes that read one, valid until the handler returns.
func (c *Call) Body() []byte {
	if c.http.Request.IsBodyStream() {
		return c.in
	}
	return c.http.PostBody()
}

// Query returns the parameters of the query string in their order.
func (c *Call) Query() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for name, value := range c.http.QueryArgs().All() {
			if !yield(string(name), string(value)) {
				return
			}
		}
	}
}

// QueryString is the query as it was sent, without its "?".
func (c *Call) QueryString() string { return string(c.http.URI().QueryString()) }

// Header is the value of a request header, empty when it was not sent. Trailers
// behind a chunked body are not headers and are never seen here.
func (c *Call) Header(name string) string {
	for key, value := range headerLines(c.http.Request.Header.RawHeaders()) {
		if strings.EqualFold(string(key), name) {
			return string(value)
		}
	}
	return ""
}

// HeaderLines returns the values of all lines of a request header, in their order.
func (c *Call) HeaderLines(name string) (values []string) {
	for key, value := range headerLines(c.http.Request.Header.RawHeaders()) {
		if strings.EqualFold(string(key), name) {
			values = append(values, string(value))
		}
	}
	return values
}

// Peer is the address of the other end of the connection.
func (c *Call) Peer() netip.Addr { return AddressOf(c.http.RemoteAddr()) }

// Client is the address of whoever sent the request, as Config.Addresses decides; the
// zero Addr where it is unknown.
func (c *Call) Client() netip.Addr {
	if !c.located {
		c.client, c.located = c.server.config.Addresses.Client(c.Peer(), c.HeaderLines), true
	}
	return c.client
}

// Source is by what the requests of a client are counted: the Network of its address. Where
// that is unknown it is the peer's: addresses that can't be read are not one for the whole
// world. It is the zero Addr where the peer has none.
func (c *Call) Source() netip.Addr {
	if client := c.Client(); client.IsValid() {
		return Network(client)
	}
	return Network(c.Peer())
}

// SetStatus sets the answer's status; it is 200 otherwise.
func (c *Call) SetStatus(status int) { c.http.SetStatusCode(status) }

// SetHeader sets a header of the answer.
func (c *Call) SetHeader(name, value string) { c.http.Response.Header.Set(name, value) }
