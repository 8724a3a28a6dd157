package extauthz_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/cmd/tollgate/extauthz"
	"tollgate/cmd/tollgate/policies"
	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/store"
	"tollgate/verify"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

const longEnough = 10 * time.Second // a busy machine is not what is tested

// world is a workspace with an API, a root key, and a gateway that Envoy asks.
type world struct {
	t      testing.TB
	store  *store.Store
	as     keys.Access
	ws     string
	api    string
	root   string
	log    *journal
	server *extauthz.Server
	conn   *grpc.ClientConn
}

// journal is a log in memory.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func newWorld(t testing.TB, c redis.UniversalClient, change ...func(*extauthz.Config)) *world {
	t.Helper()
	w := newStore(t, c)
	w.server, w.conn = w.gateway(change...)
	return w
}

// newStore is a world without a gateway.
func newStore(t testing.TB, c redis.UniversalClient) *world {
	t.Helper()
	w := &world{t: t, store: store.Open(c, store.Options{Timeout: longEnough}), log: new(journal)}
	w.ws = w.must(w.store.Workspace(t.Context(), "test"))
	w.as = keys.Operator(w.ws).As()
	api, err := w.store.CreateAPI(t.Context(), w.as, "test")
	w.must("", err)
	w.api, w.root = api.ID, w.rootKey(w.ws, keys.Everything)
	return w
}

func (w *world) must(text string, err error) string {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

func (w *world) rootKey(ws string, grants ...string) string {
	w.t.Helper()
	_, root, err := w.store.CreateRootKey(w.t.Context(), ws, keys.RootDraft{Grants: grants})
	w.must("", err)
	return root.Reveal()
}

func (w *world) key(d keys.KeyDraft) keys.NewKey {
	w.t.Helper()
	if d.APIID == "" {
		d.APIID = w.api
	}
	made, err := w.store.CreateKey(w.t.Context(), w.as, d)
	w.must("", err)
	return made
}

// left is the balance of a key.
func (w *world) left(id string) int64 {
	w.t.Helper()
	found, err := w.store.Key(w.t.Context(), w.as, id, false)
	w.must("", err)
	return found.State.Balance
}

// trusting is the rule that believes some proxies.
func trusting(t testing.TB, header string, proxies ...string) *web.Addresses {
	t.Helper()
	var trusted []netip.Prefix
	for _, p := range proxies {
		trusted = append(trusted, netip.MustParsePrefix(p))
	}
	addresses, err := web.NewAddresses(trusted, header)
	if err != nil {
		t.Fatal(err)
	}
	return addresses
}

// gateway starts one more on the store, and connects to it.
func (w *world) gateway(change ...func(*extauthz.Config)) (*extauthz.Server, *grpc.ClientConn) {
	w.t.Helper()
	config := extauthz.Config{
		Verifier: verify.New(w.store, verify.Options{Timeout: longEnough}), Policies: policies.New(policies.Policies{}), DrainDelay: 1,
		Addresses: trusting(w.t, web.XForwardedFor, "127.0.0.1/32"),
		Log:       slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&config)
	}
	server := extauthz.New(config)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	w.must("", err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	var once sync.Once
	w.t.Cleanup(func() {
		once.Do(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			defer func() { _ = recover() }() // a test has shut it down
			_ = server.Shutdown(ctx)
		})
		<-served
	})
	return server, w.dial(ln.Addr().String())
}

func (w *world) dial(addr string, options ...grpc.DialOption) *grpc.ClientConn {
	w.t.Helper()
	options = append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, options...)
	conn, err := grpc.NewClient("passthrough:///"+addr, options...)
	w.must("", err)
	w.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// extensions are context_extensions, in pairs.
func extensions(pairs ...string) map[string]string {
	all := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i]] = pairs[i+1]
	}
	return all
}

// request is what Envoy sends about a client's request; headers are "name: value".
func request(extensions map[string]string, headers ...string) *authv3.CheckRequest {
	h := &authv3.AttributeContext_HttpRequest{Method: "GET", Path: "/orders?x=1", Host: "shop", Headers: map[string]string{}}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		if before, twice := h.Headers[name]; twice {
			value = before + "," + value
		}
		h.Headers[name] = value
	}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		ContextExtensions: extensions, Request: &authv3.AttributeContext_Request{Http: h}, Source: from("192.0.2.7"),
	}}
}

func from(address string) *authv3.AttributeContext_Peer {
	return &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
		SocketAddress: &corev3.SocketAddress{Address: address, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 4711}},
	}}}
}

// response is what Envoy is told.
type response struct {
	*authv3.CheckResponse
}

// check asks with the world's root key in the metadata.
func (w *world) check(r *authv3.CheckRequest) response {
	w.t.Helper()
	return w.checkWith(r, extauthz.RootKeyMetadata, w.root)
}

// checkWith asks with other metadata.
func (w *world) checkWith(r *authv3.CheckRequest, meta ...string) response {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*longEnough)
	defer cancel()
	got, err := authv3.NewAuthorizationClient(w.conn).Check(metadata.AppendToOutgoingContext(ctx, meta...), r)
	if err != nil {
		w.t.Fatalf("the call failed, which is for failure_mode_allow to decide: %v", err)
	}
	return response{got}
}

// exact asks what the names of /forward-auth say.
func (w *world) exact(pairs []string, headers ...string) response {
	w.t.Helper()
	return w.check(request(extensions(pairs...), headers...))
}

// status is what the client sees; 200 where the request goes on.
func (r response) status() int {
	if r.GetOkResponse() != nil && r.GetStatus().GetCode() == int32(codes.OK) {
		return 200
	}
	return int(r.GetDeniedResponse().GetStatus().GetCode())
}

func (r response) code() string {
	return r.GetDynamicMetadata().GetFields()["code"].GetStringValue()
}

// is checks the status and the code, and that Envoy can't take one for another.
func (r response) is(t testing.TB, status int, code string) {
	t.Helper()
	if r.status() != status || r.code() != code {
		t.Errorf("answered %d %s, want %d %s: %s", r.status(), r.code(), status, code, r.GetDeniedResponse().GetBody())
	}
	denied := r.GetDeniedResponse() != nil
	if denied != (r.GetStatus().GetCode() != int32(codes.OK)) || denied == (r.GetOkResponse() != nil) || denied == (status == 200) {
		t.Errorf("code %d with %T", r.GetStatus().GetCode(), r.GetHttpResponse())
	}
	if err := r.ValidateAll(); err != nil {
		t.Errorf("the response is not valid: %v", err)
	}
}

// named are headers by their names.
func named(options []*corev3.HeaderValueOption) map[string]string {
	all := map[string]string{}
	for _, o := range options {
		all[o.GetHeader().GetKey()] = o.GetHeader().GetValue()
	}
	return all
}

func bearer(key keys.NewKey) string { return "authorization: Bearer " + key.Secret.Reveal() }

func count(n int64) *int64 { return &n }

// rawHeaders are headers as Envoy sends them with encode_raw_headers.
func rawHeaders(lines []string) *corev3.HeaderMap {
	all := &corev3.HeaderMap{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		all.Headers = append(all.Headers, &corev3.HeaderValue{Key: name, RawValue: []byte(value)})
	}
	return all
}
