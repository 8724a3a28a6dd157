package web

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"time"

	"tollgate/keys"
)

// Config is what a Server needs to know. The zero value of a limit means its
// default; nothing here can be switched off by forgetting it.
type Config struct {
	MaxBody   int // bytes of a request body; 1 MiB. More is answered 413
	MaxHeader int // bytes of a request line and its headers; 8 KiB. More is answered 431

	ReadTimeout    time.Duration // for a whole request, from its first byte; 10 s. Slower is answered 408
	WriteTimeout   time.Duration // for an answer; 10 s
	IdleTimeout    time.Duration // between two requests of a connection; 75 s
	RequestTimeout time.Duration // the deadline of Call.Context; 5 s

	// MaxMemory bounds what all connections and requests hold at once, in bytes: 256 MiB.
	// A connection counts with MaxHeader and 8 KiB, over TLS with 24 KiB more, and a body of more than 1 KiB with its
	// length. An answer with a list of more than 64 KiB counts until it is written. What does
	// not fit is answered 503.
	MaxMemory int64

	MaxConns      int // connections at once; 16384. One more is answered 503
	MaxConnsPerIP int // of one peer, by its IPv4 address or IPv6 /64; unlimited when 0, and for trusted proxies. One more is answered 429

	TLS *tls.Config // of the connections that Serve serves; nil for plaintext. NextProtos is http/1.1 alone

	// Addresses decides whose address a request has; nil takes the connection's.
	Addresses *Addresses

	// DrainDelay is how long Shutdown goes on accepting while /readyz already
	// says no, so that load balancers look elsewhere before anything is refused
	// and busy connections end by themselves; 1 s.
	DrainDelay time.Duration

	Live  func(context.Context) error // behind /livez; nil means alive
	Ready func(context.Context) error // behind /readyz; nil means ready

	// Intact is asked before an answer says that something does not exist, and its error is
	// answered instead: what a store has lost is not known to be absent. nil asks nothing.
	Intact func(context.Context) error

	// Refused is told why a request of a route with an Action was refused, where who is calling
	// is known and no store was asked: an entry of the audit log. nil keeps none.
	Refused func(c *Call, why *keys.Error)

	// Observe is told of every answer, for metrics. It must not keep the Call.
	Observe func(c *Call, status int, took time.Duration)

	Log *slog.Logger // slog.Default() when nil
}

func (c Config) withDefaults() Config {
	c.MaxBody = cmp.Or(c.MaxBody, 1<<20)
	c.MaxHeader = cmp.Or(c.MaxHeader, 8<<10)
	c.MaxMemory = cmp.Or(c.MaxMemory, 256<<20)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, 10*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 10*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 75*time.Second)
	c.RequestTimeout = cmp.Or(c.RequestTimeout, 5*time.Second)
	c.DrainDelay = cmp.Or(c.DrainDelay, time.Second)
	c.MaxConns = cmp.Or(c.MaxConns, 16384)
	if c.Live == nil {
		c.Live = func(context.Context) error { return nil }
	}
	if c.Ready == nil {
		c.Ready = func(context.Context) error { return nil }
	}
	c.Log = cmp.Or(c.Log, slog.Default())
	return c
}
