// Package fast is package middleware for github.com/valyala/fasthttp: it protects a
// fasthttp.RequestHandler.
//
//	protect, err := fast.New(question, middleware.InProcess(verifier), fast.Options{})
//	fasthttp.ListenAndServe(addr, protect(orders))
//
// The handler asks who it is with IdentityOf.
package fast

import (
	"context"
	"net/netip"

	"tollgate/verify/authz"
	"tollgate/verify/middleware"

	"github.com/valyala/fasthttp"
)

// Options of the middleware. The zero value works.
type Options struct {
	// Address returns the address of a client, for APIs that allow some alone; nil takes the
	// other end of the connection. Behind a proxy it must believe headers of that proxy alone.
	Address func(*fasthttp.RequestCtx) netip.Addr
}

// New returns what protects a handler. Its error is an *authz.QuestionError: a question that
// can't be asked.
func New(q *authz.Question, decider middleware.Decider, o Options) (protect func(fasthttp.RequestHandler) fasthttp.RequestHandler, err error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	if o.Address == nil {
		o.Address = peer
	}
	return func(next fasthttp.RequestHandler) fasthttp.RequestHandler {
		return func(ctx *fasthttp.RequestCtx) {
			decision := decide(ctx, q, decider, o)
			if !decision.Allowed() {
				refuse(ctx, &decision)
				return
			}
			admit(ctx, &decision)
			next(ctx)
		}
	}, nil
}

// decide asks about the key of a request.
func decide(ctx *fasthttp.RequestCtx, q *authz.Question, decider middleware.Decider, o Options) middleware.Decision {
	lines := func(header string) (values []string) {
		for _, value := range ctx.Request.Header.PeekAll(header) {
			values = append(values, string(value))
		}
		return values
	}
	key, answer := q.Find(authz.Message{Lines: lines, URI: string(ctx.RequestURI())})
	if answer != nil {
		return middleware.Refused(answer)
	}
	// A RequestCtx is used again for the next request, and never ends before the server does.
	return decider.Decide(context.Background(), q, middleware.Client{Key: key, Address: o.Address(ctx)})
}

// refuse sends an answer that refuses.
func refuse(ctx *fasthttp.RequestCtx, d *middleware.Decision) {
	setHeaders(ctx, d)
	ctx.Response.Header.Set("Cache-Control", "no-store")
	ctx.SetStatusCode(d.Refusal())
	ctx.SetBody(d.Body)
}

type identityKey struct{}

// IdentityOf returns the identity of a request that came through the middleware; nil for any
// other.
func IdentityOf(ctx *fasthttp.RequestCtx) *middleware.Identity {
	id, _ := ctx.UserValue(identityKey{}).(*middleware.Identity)
	return id
}

// admit sets what the handler and the client see.
func admit(ctx *fasthttp.RequestCtx, d *middleware.Decision) {
	setHeaders(ctx, d)
	ctx.SetUserValue(identityKey{}, d.Identity)
	for _, name := range authz.IdentityHeaders() {
		ctx.Request.Header.Del(name)
	}
}

func setHeaders(ctx *fasthttp.RequestCtx, d *middleware.Decision) {
	if d.Headers != nil {
		d.Headers(ctx.Response.Header.Set)
	}
}

// peer is the address of the other end of the connection.
func peer(ctx *fasthttp.RequestCtx) netip.Addr {
	at, err := netip.ParseAddrPort(ctx.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}
