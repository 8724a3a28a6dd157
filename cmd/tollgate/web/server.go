package web

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"tollgate/keys"
	"tollgate/keys/turns"

	"github.com/valyala/fasthttp"
)

// Server serves a Router.
type Server struct {
	config      Config
	router      *Router
	http        *fasthttp.Server
	memory      *memory
	connections *connections
	turns       *turns.Queue // of heavy endpoints
	answers     *answers     // that are large
	log         *logger

	base     context.Context // of every Call.Context
	cancel   context.CancelFunc
	ready    atomic.Bool // between Serve and Shutdown
	draining atomic.Bool // answers say Connection: close
}

// New makes a server. The router must be complete.
func New(config Config, router *Router) *Server {
	s := &Server{config: config.withDefaults(), router: router}
	s.memory, s.turns = newMemory(s.config.MaxMemory), turns.New()
	s.connections = newConnections(s.config, s.memory)
	s.answers = &answers{memory: s.memory, of: map[string]int64{}}
	fasthttp.SetBodySizePoolLimit(pooledAnswer, pooledAnswer) // an idle connection keeps no larger one
	s.log = newLogger(s.config.Log)
	s.addHealth()
	s.base, s.cancel = context.WithCancel(context.Background())
	s.http = &fasthttp.Server{
		Handler:                      s.serve,
		ErrorHandler:                 s.unreadable,
		Logger:                       fasthttpLog{s.log},
		StreamRequestBody:            true,
		MaxRequestBodySize:           s.config.prefetched(), // of a stream, the part that is read with the headers
		ReadBufferSize:               s.config.MaxHeader,
		ReadTimeout:                  s.config.ReadTimeout,
		WriteTimeout:                 s.config.WriteTimeout,
		IdleTimeout:                  s.config.IdleTimeout,
		Concurrency:                  s.config.MaxConns + spareWorkers,
		CloseOnShutdown:              true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		DisablePreParseMultipartForm: true,
		SecureErrorLogMessage:        true,
	}
	return s
}

// spareWorkers are for connections that are being closed while as many as the
// limiter allows are being served.
const spareWorkers = 1024

// Listen serves on a TCP address until Shutdown.
func (s *Server) Listen(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return s.Serve(ln)
}

// Serve serves on ln until Shutdown, and closes it. After Shutdown it serves
// no more.
func (s *Server) Serve(ln net.Listener) error {
	if s.draining.Load() {
		return ln.Close()
	}
	s.ready.Store(true)
	limited := s.connections.limiter(ln, s.config.connShare(), s.refusal)
	limited.tls, limited.handshake, limited.unsecured = s.config.TLS, s.config.ReadTimeout, s.log.unsecured
	return s.http.Serve(limited)
}

// MemoryUsed is how many bytes of Config.MaxMemory are in use.
func (s *Server) MemoryUsed() int64 { return s.memory.used.Load() }

// MemoryRefused is how many connections, bodies and large answers were refused because Config.MaxMemory
// was in use.
func (s *Server) MemoryRefused() int64 { return s.memory.refused.Load() }

// Ready reports whether the server is serving and means to go on.
func (s *Server) Ready() bool { return s.ready.Load() }

// Shutdown stops without dropping a request. First it is not ready, and each
// answer ends its connection, for the DrainDelay; then it stops accepting,
// closes idle connections and waits for requests under way. When ctx ends
// before that, it gives up with ctx's error and their contexts are cancelled.
func (s *Server) Shutdown(ctx context.Context) error {
	s.ready.Store(false)
	s.draining.Store(true)
	select {
	case <-time.After(s.config.DrainDelay):
	case <-ctx.Done():
	}
	defer s.cancel()
	return s.http.ShutdownWithContext(ctx)
}

// serve is where every request that could be read begins and ends.
func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	defer s.lastResort(ctx)
	c := s.newCall(ctx, string(ctx.URI().PathOriginal()))
	defer c.release()
	ctx.SetUserValue(callKey{}, c)
	s.answer(c)
	c.finish()
}

func (s *Server) answer(c *Call) {
	defer c.recover()
	header := &c.http.Request.Header
	f := gateStart(header.RequestURI(), header.Protocol())
	if f == nil {
		f = gate(header.RawHeaders(), header.IsHTTP11(), c.dialect.IgnoreBody)
	}
	if f == nil && !c.dialect.IgnoreBody {
		f = c.checkBodyLength()
	}
	if f != nil {
		c.refuse(f)
		return
	}
	if c.preflight() {
		return
	}
	s.router.tree.Handler(c.http)
}

// recover turns a panic into an internal error. The panic's value may quote
// the request and is not logged, unless it is the runtime's own.
func (c *Call) recover() {
	v := recover()
	if v == nil {
		return
	}
	what := "a panic of type " + typeName(v)
	if err, ok := v.(runtime.Error); ok {
		what = err.Error()
	}
	c.server.log.panicked(c, what, debug.Stack())
	c.fail(&keys.Error{Kind: keys.KindInternal, Message: "internal error"})
}

// lastResort is for a dialect that panics while it writes an error, and for
// what comes after. A panic that left the handler would end the program.
func (s *Server) lastResort(ctx *fasthttp.RequestCtx) {
	if v := recover(); v != nil {
		s.log.Error("panic while answering", "type", typeName(v), "stack", string(debug.Stack()))
		ctx.Response.Reset()
		ctx.SetStatusCode(http.StatusInternalServerError)
		ctx.SetConnectionClose()
	}
}

// fail answers with err in the words of the dialect.
func (c *Call) fail(err error) {
	err = c.confirm(err)
	p := problemOf(err)
	c.cause = err
	c.http.Response.ResetBody()
	c.SetStatus(http.StatusInternalServerError)
	if p.Domain != nil && p.Domain.RetryAfter > 0 {
		c.SetHeader("Retry-After", strconv.Itoa(int(p.Domain.RetryAfter.Seconds())))
	}
	c.dialect.Fail(c, p)
}

// confirm returns err, or why it must not be said that something does not exist. It costs
// the same whether that belongs to somebody else or to nobody.
func (c *Call) confirm(err error) error {
	intact := c.server.config.Intact
	var e *keys.Error
	if intact == nil || !errors.As(err, &e) || e.Kind != keys.KindNotFound {
		return err
	}
	return cmp.Or(intact(c.Context()), err)
}

// refuse fails and closes the connection: whatever else the peer has sent on
// it cannot be trusted to begin where we think it does.
func (c *Call) refuse(f *Fault) {
	c.fail(f)
	c.hangUp()
}

// unreadable answers what fasthttp could not read as a request.
func (s *Server) unreadable(ctx *fasthttp.RequestCtx, err error) {
	path := ""
	if conn, ok := ctx.Conn().(*conn); ok {
		path = conn.path()
	}
	s.refuseUnread(ctx, path, faultOf(err))
}

// rejectLate refuses what never became a request.
func (s *Server) refuseUnread(ctx *fasthttp.RequestCtx, path string, f *Fault) {
	defer s.lastResort(ctx)
	c := s.newCall(ctx, path)
	defer c.release()
	c.refuse(f)
	ctx.Response.SkipBody = ctx.IsHead() // fasthttp sets it for what reached serve alone
	c.finish()
}

// faultOf sorts fasthttp's errors. Their texts may quote the request.
func faultOf(err error) *Fault {
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	switch {
	case errors.As(err, &small):
		return &Fault{http.StatusRequestHeaderFieldsTooLarge, "the request's headers are too large"}
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return errBodyTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return &Fault{http.StatusRequestTimeout, "the request did not arrive in time"}
	}
	return bad("the request is not valid HTTP/1.1")
}

// refusal is the answer for a connection that is not let in, in the words of
// the fallback dialect.
func (s *Server) refusal(peer net.Addr, f *Fault) []byte {
	ctx := new(fasthttp.RequestCtx)
	ctx.Init(new(fasthttp.Request), peer, fasthttpLog{s.log})
	s.refuseUnread(ctx, "", f)
	var b bytes.Buffer
	ctx.Response.WriteTo(&b) // a Buffer takes everything
	return b.Bytes()
}
