package extauthz

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"

	"tollgate/cmd/tollgate/policies"
	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/verify/authz"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
)

// Config is what a Server needs to know. The zero value of a limit means its default.
type Config struct {
	Verifier  authz.Verifier
	Policies  *policies.Current               // nil for none
	Default   string                          // the policy that decides checks that ask nothing; without one they are refused
	Addresses *web.Addresses                  // whose address a request has; nil for the connection's
	Ready     func(ctx context.Context) error // behind the health service; nil means ready. web.ErrDegraded is ready

	Credentials credentials.TransportCredentials // nil for plaintext

	MaxMemory int64 // as many checks at once as messages of MaxMessage bytes fit in; 256 MiB
	MaxHeader int   // bytes of a call's metadata; 8 KiB

	HandshakeTimeout time.Duration // from a connection to its first frames; 10 s
	IdleTimeout      time.Duration // of a connection without calls; 75 s
	RequestTimeout   time.Duration // for a check, from its first frame; 5 s
	DrainDelay       time.Duration // as web.Config has it; 1 s

	// Observe is told of every answer, for metrics.
	Observe func(a *authz.Answer, took time.Duration)

	Log *slog.Logger // slog.Default() when nil
}

// MaxMessage bounds a CheckRequest, in bytes. Envoy takes headers of 60 KiB, if it is not
// told otherwise.
const MaxMessage = 64 << 10

const (
	maxStreams    = 1024             // calls at once on a connection; Envoy waits with more, or opens another
	pingAfter     = 30 * time.Second // of silence: is the other end still there?
	pingTimeout   = 10 * time.Second
	pingsAtMost   = 10 * time.Second // between two of the other end
	connectionAge = 30 * time.Minute // after which Envoy connects anew, maybe to a gateway that is new
	connBuffer    = 16 << 10         // bytes that are read at once
)

// ConnectionBytes is what a connection takes of a budget of memory, about.
const ConnectionBytes = 64 << 10

func (c Config) withDefaults() Config {
	c.MaxMemory = cmp.Or(c.MaxMemory, 256<<20)
	c.MaxHeader = cmp.Or(c.MaxHeader, 8<<10)
	c.HandshakeTimeout = cmp.Or(c.HandshakeTimeout, 10*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 75*time.Second)
	c.RequestTimeout = cmp.Or(c.RequestTimeout, 5*time.Second)
	c.DrainDelay = cmp.Or(c.DrainDelay, time.Second)
	c.Log = cmp.Or(c.Log, slog.Default())
	if c.Ready == nil {
		c.Ready = func(context.Context) error { return nil }
	}
	if c.Observe == nil {
		c.Observe = func(*authz.Answer, time.Duration) {}
	}
	return c
}

// Server serves Authorization, health and reflection.
type Server struct {
	authv3.UnimplementedAuthorizationServer

	config Config
	grpc   *grpc.Server
	health *health
	log    *logger
	checks atomic.Int64  // calls under way
	ready  atomic.Bool   // between Serve and Shutdown
	ended  chan struct{} // closed where streams end
}

// New makes a server.
func New(config Config) *Server {
	s := &Server{config: config.withDefaults(), ended: make(chan struct{})}
	s.log = newLogger(s.config.Log)
	s.health = &health{ready: s.isReady, draining: make(chan struct{})}
	s.grpc = grpc.NewServer(s.options()...)
	authv3.RegisterAuthorizationServer(s.grpc, s)
	grpc_health_v1.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	return s
}

// options are the bounds: none of them is off by default.
func (s *Server) options() []grpc.ServerOption {
	c := s.config
	all := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(MaxMessage),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(uint32(min(c.MaxHeader, math.MaxUint32))),
		grpc.ConnectionTimeout(c.HandshakeTimeout),
		grpc.ReadBufferSize(connBuffer),
		grpc.StaticConnWindowSize(1 << 20),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle: c.IdleTimeout, MaxConnectionAge: connectionAge, MaxConnectionAgeGrace: c.RequestTimeout,
			Time: pingAfter, Timeout: pingTimeout,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingsAtMost, PermitWithoutStream: true}),
		grpc.InTapHandle(s.begin),
		grpc.UnaryInterceptor(s.unary),
		grpc.StreamInterceptor(s.stream),
	}
	if c.Credentials != nil {
		all = append(all, grpc.Creds(c.Credentials))
	}
	return all
}

// Serve serves on ln until Shutdown, and closes it.
func (s *Server) Serve(ln net.Listener) error {
	s.ready.Store(true)
	return s.grpc.Serve(ln)
}

// Shutdown stops without dropping a check. First it is not ready, for the DrainDelay; then
// it ends streams, tells each client to connect elsewhere, and waits for checks under way.
// When ctx ends before that, it gives up with ctx's error, and their contexts are cancelled.
// It is called once.
func (s *Server) Shutdown(ctx context.Context) error {
	s.ready.Store(false)
	close(s.health.draining)
	select {
	case <-time.After(s.config.DrainDelay):
	case <-ctx.Done():
	}
	close(s.ended)
	done := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.grpc.Stop()
		return ctx.Err()
	}
}

// isReady returns nil where checks are meant to come here.
func (s *Server) isReady(ctx context.Context) error {
	if !s.ready.Load() {
		return errNotServing
	}
	return s.config.Ready(ctx)
}

// Check implements the service. It always answers, and never with an error: see the package
// comment.
func (s *Server) Check(ctx context.Context, r *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	start := time.Now()
	answer, response := s.check(context.WithValue(ctx, requestStart, &start), r)
	took := time.Since(start)
	s.log.answered(answer, took)
	s.config.Observe(answer, took)
	return response, nil
}

// check answers. A panic is an internal error, which refuses the request.
func (s *Server) check(ctx context.Context, r *authv3.CheckRequest) (answer *authz.Answer, response *authv3.CheckResponse) {
	defer func() {
		if v := recover(); v != nil {
			s.log.panicked("Check", v, debug.Stack())
			answer = new(authz.Question).Failed(&keys.Error{Kind: keys.KindInternal, Message: "a panic"})
			response = denied(answer)
		}
	}()
	answer, question := s.answer(ctx, r)
	return answer, respond(answer, question, message{r.GetAttributes().GetRequest().GetHttp()})
}
