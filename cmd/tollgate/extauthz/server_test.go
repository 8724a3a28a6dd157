package extauthz_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/cmd/tollgate/extauthz"
	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/store"
	"tollgate/verify"
	"tollgate/verify/authz"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

// Many callers of three gateways get exactly what a key has.
func TestChecksAreExact(t *testing.T) {
	redistest.EachWithCluster(t, func(t *testing.T, c redis.UniversalClient) {
		w := newWorld(t, c)
		conns := []*grpc.ClientConn{w.conn}
		for range 2 {
			_, conn := w.gateway()
			conns = append(conns, conn)
		}
		const balance, callers, each = 100, 30, 10
		key := w.key(keys.KeyDraft{Remaining: count(balance)})
		var passed, refused atomic.Int64
		var all sync.WaitGroup
		for i := range callers {
			all.Go(func() {
				client := authv3.NewAuthorizationClient(conns[i%len(conns)])
				for range each {
					ctx := metadata.AppendToOutgoingContext(t.Context(), extauthz.RootKeyMetadata, w.root)
					r, err := client.Check(ctx, request(extensions("apiId", w.api), bearer(key)))
					switch got := (response{r}); {
					case err != nil:
						t.Error(err)
					case got.status() == 200:
						passed.Add(1)
					case got.status() == 429:
						refused.Add(1)
					default:
						t.Errorf("answered %d %s", got.status(), got.code())
					}
				}
			})
		}
		all.Wait()
		if passed.Load() != balance || refused.Load() != callers*each-balance || w.left(key.ID) != 0 {
			t.Errorf("%d of %d passed, %d were refused", passed.Load(), balance, refused.Load())
		}
	})
}

// The store gone or frozen is a refusal with 503 and a Retry-After, soon: not an error of the
// call, with which failure_mode_allow would let the request through.
func TestUndecidedIsRefused(t *testing.T) {
	server := redistest.Start(t)
	w := newStore(t, server.Client())
	key := w.key(keys.KeyDraft{Remaining: count(1000)})
	link := redistest.Proxy(t, server.Addr())
	reached := store.Open(redistest.Client(t, link.Addr()), store.Options{Timeout: 250 * time.Millisecond})
	_, w.conn = w.gateway(func(c *extauthz.Config) {
		c.Verifier = verify.New(reached, verify.Options{Timeout: 250 * time.Millisecond})
	})
	ask := func() (response, time.Duration) {
		start := time.Now()
		return w.exact([]string{"apiId", w.api}, bearer(key)), time.Since(start)
	}
	first, _ := ask()
	first.is(t, 200, "VALID")
	for name, fail := range map[string]func() (mend func()){
		"frozen": func() func() { server.Freeze(); return server.Thaw },
		"gone":   func() func() { link.Refuse(); return link.Restore },
	} {
		mend := fail()
		for range 3 {
			r, took := ask()
			r.is(t, 503, "UNAVAILABLE")
			if named(r.GetDeniedResponse().GetHeaders())["retry-after"] != "1" || took > 2*time.Second {
				t.Errorf("%s: %v after %v", name, r.GetDeniedResponse().GetHeaders(), took)
			}
		}
		mend()
		for end := time.Now().Add(longEnough); ; {
			if r, _ := ask(); r.status() == 200 {
				break
			} else if time.Now().After(end) {
				t.Fatalf("%s: it stays %d", name, r.status())
			}
		}
	}
	if !strings.Contains(w.log.String(), "check failed") || strings.Contains(w.log.String(), key.Secret.Reveal()) {
		t.Errorf("the log: %s", w.log)
	}
}

// slow is a verifier that answers when it is told to.
type slow struct {
	authz.Verifier
	began chan struct{}
	going chan struct{}
}

func (s *slow) Verify(ctx context.Context, r *verify.Request) (*verify.Outcome, error) {
	s.began <- struct{}{}
	select {
	case <-s.going:
	case <-ctx.Done():
		return nil, &keys.Error{Kind: keys.KindUnavailable, Message: "out of time"}
	}
	return s.Verifier.Verify(ctx, r)
}

// A server that drains is not serving first, says so to those who watch, ends their streams,
// and answers what it has begun.
func TestDrain(t *testing.T) {
	verifier := &slow{began: make(chan struct{}, 1), going: make(chan struct{})}
	w := newWorld(t, redistest.Empty(t), func(c *extauthz.Config) {
		verifier.Verifier = c.Verifier
		c.Verifier, c.DrainDelay = verifier, 100*time.Millisecond
	})
	key := w.key(keys.KeyDraft{Remaining: count(5)})
	watch, err := healthv1.NewHealthClient(w.conn).Watch(t.Context(), &healthv1.HealthCheckRequest{Service: authv3.Authorization_ServiceDesc.ServiceName})
	w.must("", err)
	if got, err := watch.Recv(); err != nil || got.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Fatalf("%v, %v", got, err)
	}
	reflect, err := reflectionv1.NewServerReflectionClient(w.conn).ServerReflectionInfo(t.Context())
	w.must("", err)
	w.must("", reflect.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}))
	if _, err := reflect.Recv(); err != nil {
		t.Fatal(err)
	}
	answered := make(chan response, 1)
	go func() { answered <- w.exact([]string{"apiId", w.api}, bearer(key)) }()
	<-verifier.began
	ended := make(chan error, 1)
	go func() { ended <- w.server.Shutdown(t.Context()) }()
	if got, err := watch.Recv(); err != nil || got.GetStatus() != healthv1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("who watches is told %v, %v", got, err)
	}
	for name, receive := range map[string]func() error{
		"watch":      func() error { _, err := watch.Recv(); return err },
		"reflection": func() error { _, err := reflect.Recv(); return err },
	} {
		if err := receive(); status.Code(err) != codes.Unavailable {
			t.Errorf("%s ends with %v", name, err)
		}
	}
	select {
	case err := <-ended:
		t.Errorf("it did not wait for a check: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(verifier.going)
	(<-answered).is(t, 200, "VALID")
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if left := w.left(key.ID); left != 4 {
		t.Errorf("%d are left of 5", left)
	}
}

// A drain that takes too long is given up, and what is under way is refused.
func TestDrainEnds(t *testing.T) {
	verifier := &slow{began: make(chan struct{}, 1), going: make(chan struct{})}
	w := newWorld(t, redistest.Empty(t), func(c *extauthz.Config) { c.Verifier = verifier })
	failed := make(chan error, 1)
	go func() {
		_, err := authv3.NewAuthorizationClient(w.conn).Check(metadata.AppendToOutgoingContext(t.Context(), extauthz.RootKeyMetadata, "root"), request(extensions("apiId", "*"), "x-api-key: k"))
		failed <- err
	}()
	<-verifier.began
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := w.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it ended with %v", err)
	}
	if err := <-failed; err == nil {
		t.Error("it was answered")
	}
}

// The health service follows what it is told, for the services that there are.
func TestHealth(t *testing.T) {
	var ready atomic.Pointer[error]
	set := func(err error) { ready.Store(&err) }
	set(nil)
	w := newWorld(t, redistest.Empty(t), func(c *extauthz.Config) {
		c.Ready = func(context.Context) error { return *ready.Load() }
	})
	client := healthv1.NewHealthClient(w.conn)
	for _, c := range []struct {
		err  error
		want healthv1.HealthCheckResponse_ServingStatus
	}{
		{nil, healthv1.HealthCheckResponse_SERVING},
		{web.ErrDegraded, healthv1.HealthCheckResponse_SERVING},
		{errors.New("no Redis"), healthv1.HealthCheckResponse_NOT_SERVING},
	} {
		set(c.err)
		for _, service := range []string{"", "envoy.service.auth.v3.Authorization"} {
			if got, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{Service: service}); err != nil || got.GetStatus() != c.want {
				t.Errorf("%q with %v: %v, %v", service, c.err, got, err)
			}
		}
		all, err := client.List(t.Context(), &healthv1.HealthListRequest{})
		if err != nil || len(all.GetStatuses()) != 2 || all.GetStatuses()[""].GetStatus() != c.want {
			t.Errorf("%v, %v", all, err)
		}
	}
	if _, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{Service: "nobody"}); status.Code(err) != codes.NotFound {
		t.Errorf("an unknown service: %v", err)
	}
	watch, err := client.Watch(t.Context(), &healthv1.HealthCheckRequest{Service: "nobody"})
	w.must("", err)
	if got, err := watch.Recv(); err != nil || got.GetStatus() != healthv1.HealthCheckResponse_SERVICE_UNKNOWN {
		t.Errorf("a watch of an unknown service: %v, %v", got, err)
	}
}

// A message and metadata that are too large end the call, and never allow.
func TestMessagesAreBounded(t *testing.T) {
	w := newWorld(t, redistest.Empty(t))
	key := w.key(keys.KeyDraft{Remaining: count(5)})
	client := authv3.NewAuthorizationClient(w.conn)
	ctx := metadata.AppendToOutgoingContext(t.Context(), extauthz.RootKeyMetadata, w.root)
	large := request(extensions("apiId", w.api), bearer(key), "x-large: "+strings.Repeat("x", extauthz.MaxMessage))
	if r, err := client.Check(ctx, large); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a large message: %v, %v", r, err)
	}
	fits := request(extensions("apiId", w.api), bearer(key), "x-large: "+strings.Repeat("x", 60<<10))
	w.check(fits).is(t, 200, "VALID")
	if r, err := client.Check(metadata.AppendToOutgoingContext(ctx, "x-large", strings.Repeat("x", 9<<10)), request(nil)); err == nil {
		t.Errorf("large metadata: %v", r)
	}
	if left := w.left(key.ID); left != 4 {
		t.Errorf("%d are left of 5", left)
	}
}

// A message that does not arrive does not wait for ever, nor does one that is too many.
func TestChecksAreBounded(t *testing.T) {
	verifier := &slow{began: make(chan struct{}, 2), going: make(chan struct{})}
	w := newWorld(t, redistest.Empty(t), func(c *extauthz.Config) {
		c.Verifier, c.RequestTimeout, c.MaxMemory = verifier, 300*time.Millisecond, 2*extauthz.MaxMessage
	})
	stream, err := w.conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, "/envoy.service.auth.v3.Authorization/Check")
	w.must("", err)
	start := time.Now()
	if err := stream.RecvMsg(new(authv3.CheckResponse)); err == nil || time.Since(start) > longEnough {
		t.Errorf("without a message: %v after %v", err, time.Since(start))
	}
	client := authv3.NewAuthorizationClient(w.conn)
	ask := func() (*authv3.CheckResponse, error) {
		ctx, cancel := context.WithTimeout(t.Context(), longEnough)
		defer cancel()
		return client.Check(metadata.AppendToOutgoingContext(ctx, extauthz.RootKeyMetadata, w.root), request(extensions("apiId", "*"), "x-api-key: k"))
	}
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			// Its time is up in the middle of the verification: nobody is let through.
			if r, err := ask(); err == nil && (response{r}).status() != 503 {
				t.Errorf("%v", r)
			}
		})
		<-verifier.began
	}
	if _, err := ask(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a third check: %v", err)
	}
	all.Wait()
	close(verifier.going)
	w.exact([]string{"apiId", "*", "x", "y"}).is(t, 500, "MISCONFIGURED")
}

type broken struct{}

func (broken) Verify(_ context.Context, r *verify.Request) (*verify.Outcome, error) {
	panic("a panic with " + r.Secret.Reveal())
}

// A panic refuses the request, ends nothing else, and says nothing of a key.
func TestPanicsRefuse(t *testing.T) {
	w := newWorld(t, redistest.Empty(t), func(c *extauthz.Config) {
		c.Verifier = broken{}
		c.Ready = func(context.Context) error { panic("in health") }
	})
	r := w.exact([]string{"apiId", "*"}, "x-api-key: secret-of-somebody")
	r.is(t, 500, "INTERNAL")
	if _, err := healthv1.NewHealthClient(w.conn).Check(t.Context(), &healthv1.HealthCheckRequest{}); status.Code(err) != codes.Internal {
		t.Errorf("health: %v", err)
	}
	watch, err := healthv1.NewHealthClient(w.conn).Watch(t.Context(), &healthv1.HealthCheckRequest{})
	w.must("", err)
	if _, err := watch.Recv(); status.Code(err) != codes.Internal {
		t.Errorf("watch: %v", err)
	}
	w.exact(nil).is(t, 500, "MISCONFIGURED")
	if log := w.log.String() + r.String(); strings.Count(log, "panic in a call") != 3 || strings.Contains(log, "secret-of-somebody") || strings.Contains(log, "in health") {
		t.Errorf("the log: %s", log)
	}
}

// The client's address is that of the other end of the connection, or whom a trusted proxy
// names: never what a stranger says.
func TestAddresses(t *testing.T) {
	w := newStore(t, redistest.Empty(t))
	w.must("", w.store.AllowIPs(t.Context(), w.as, w.api, []string{"192.0.2.7"}))
	key := w.key(keys.KeyDraft{})
	for _, c := range []struct {
		name    string
		trusted []string
		source  string
		headers []string
		status  int
	}{
		{"the peer is not trusted", []string{"10.0.0.0/8"}, "192.0.2.7", nil, 403},
		{"nobody is trusted", nil, "192.0.2.7", nil, 403},
		{"the source", []string{"127.0.0.1/32"}, "192.0.2.7", nil, 200},
		{"the source in the other family", []string{"127.0.0.1/32"}, "::ffff:192.0.2.7", nil, 200},
		{"another source", []string{"127.0.0.1/32"}, "192.0.2.8", []string{"x-forwarded-for: 192.0.2.7"}, 403},
		{"behind a trusted source", []string{"127.0.0.1/32", "10.0.0.0/8"}, "10.0.0.9", []string{"x-forwarded-for: 192.0.2.7"}, 200},
		{"from the right", []string{"127.0.0.1/32", "10.0.0.0/8"}, "10.0.0.9", []string{"x-forwarded-for: 192.0.2.7, 192.0.2.8"}, 403},
		{"in two lines", []string{"127.0.0.1/32", "10.0.0.0/8"}, "10.0.0.9", []string{"x-forwarded-for: 192.0.2.8", "x-forwarded-for: 192.0.2.7, 10.0.0.9"}, 200},
		{"no source", []string{"127.0.0.1/32"}, "", []string{"x-forwarded-for: 192.0.2.7"}, 403},
	} {
		_, w.conn = w.gateway(func(config *extauthz.Config) {
			config.Addresses = nil
			if c.trusted != nil {
				config.Addresses = trusting(t, web.XForwardedFor, c.trusted...)
			}
		})
		r := request(extensions("apiId", w.api), append(c.headers, bearer(key))...)
		r.Attributes.Source = from(c.source)
		if got := w.check(r); got.status() != c.status {
			t.Errorf("%s: %d %s, want %d", c.name, got.status(), got.code(), c.status)
		}
	}
}

// A root key that is not known counts for who sends it, Envoy, not for the client, who has
// nothing to do with it.
func TestUnknownRootKeysAreEnvoys(t *testing.T) {
	w := newStore(t, redistest.Empty(t))
	var sources []string
	_, w.conn = w.gateway(func(c *extauthz.Config) {
		c.Verifier = verify.New(w.store, verify.Options{Timeout: longEnough, UnknownRootKey: func(source netip.Addr) error {
			sources = append(sources, source.String())
			return nil
		}})
	})
	r := request(extensions("apiId", w.api), "x-api-key: k", "x-forwarded-for: 192.0.2.8")
	w.checkWith(r, extauthz.RootKeyMetadata, "nobody-has-this-root-key").is(t, 500, "MISCONFIGURED")
	if len(sources) != 1 || sources[0] != "127.0.0.1" {
		t.Errorf("counted for %q", sources)
	}
}

// Bytes that are no message, and messages without what Envoy always sends, are refused.
func TestMessagesOfStrangers(t *testing.T) {
	w := newWorld(t, redistest.Empty(t))
	for _, r := range []*authv3.CheckRequest{
		{}, {Attributes: &authv3.AttributeContext{}},
		{Attributes: &authv3.AttributeContext{ContextExtensions: extensions("apiId", w.api)}},
		{Attributes: &authv3.AttributeContext{ContextExtensions: extensions("apiId", w.api), Request: &authv3.AttributeContext_Request{}}},
	} {
		if got := w.check(r); got.status() == 200 {
			t.Errorf("%v: %v", r, got)
		}
	}
	for _, text := range [][]byte{{0xff}, protowire.AppendTag(nil, 1, protowire.BytesType), []byte("GET / HTTP/1.1\r\n\r\n")} {
		var answer authv3.CheckResponse
		err := w.conn.Invoke(t.Context(), "/envoy.service.auth.v3.Authorization/Check", text, &answer, grpc.ForceCodec(raw{}))
		if err == nil {
			t.Errorf("%q: %v", text, &answer)
		}
	}
	plain, err := net.Dial("tcp", w.conn.Target()[len("passthrough:///"):])
	w.must("", err)
	defer plain.Close()
	_ = plain.SetDeadline(time.Now().Add(longEnough))
	_, _ = io.WriteString(plain, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
	if said, err := io.ReadAll(plain); strings.Contains(string(said), "HTTP/1") || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("HTTP/1.1 is answered %q, %v", said, err)
	}
}

// raw is a codec of bytes.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error) { return v.([]byte), nil }
func (raw) Unmarshal([]byte, any) error   { return nil }
func (raw) Name() string                  { return "proto" }
