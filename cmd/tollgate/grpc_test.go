package main

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"testing"
	"time"

	"tollgate/cmd/tollgate/guesses"
	"tollgate/keys/redisdb/redistest"
	"tollgate/keys/redisdb/redistest/authority"
	"tollgate/keys/redisdb/redistest/proc"
	"tollgate/keys/store"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// serveGRPC runs a whole gateway until the test ends. Its flags are the defaults.
func serveGRPC(t *testing.T, set func(*serveCommand)) *serveCommand {
	t.Helper()
	f := &serveCommand{
		Addr: must(proc.FreeAddr()), CacheMiB: 1, MaxBody: 1 << 20, MaxMemory: 64, MaxHeader: 16 << 10, MaxConns: 100,
		ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, DrainDelay: time.Millisecond, DrainTimeout: 10 * time.Second,
		RedisTimeout: 5 * time.Second, MaxCounters: 1000, UsageRetention: 24 * time.Hour, LogLevel: "error",
	}
	f.GRPCAddr = must(proc.FreeAddr())
	set(f)
	if err := f.checkGRPC(); err != nil {
		t.Fatal(err)
	}
	g := &gateway{flags: f, store: store.Open(redistest.Shared(t).Client(), store.Options{Timeout: 5 * time.Second}), log: f.logger(), guard: guesses.New(0, f.logger())}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return f
}

// askAbout asks on a connection of its own.
func askAbout(t *testing.T, addr string, c credentials.TransportCredentials, root string, r *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	t.Helper()
	conn := must(grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(c)))
	defer conn.Close()
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), "x-tollgate-root-key", root), 10*time.Second)
	defer cancel()
	return authv3.NewAuthorizationClient(conn).Check(ctx, r, grpc.WaitForReady(true))
}

// With a certificate the gateway speaks TLS and nothing else, and a certificate that is
// replaced is that of the next connection once it was read.
func TestGRPCOverTLS(t *testing.T) {
	ca := authority.New(t)
	pair := ca.Issue()
	f := serveGRPC(t, func(f *serveCommand) { f.GRPCTLSCert, f.GRPCTLSKey = pair.Certificate, pair.Key })
	serial := func() int64 {
		conn, err := tls.Dial("tcp", f.GRPCAddr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := conn.ConnectionState(); got.NegotiatedProtocol != "h2" || got.Version < tls.VersionTLS12 {
			t.Errorf("negotiated %q, version %x", got.NegotiatedProtocol, got.Version)
		}
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	got, err := askAbout(t, f.GRPCAddr, credentials.NewTLS(ca.Client(authority.Pair{})), "", &authv3.CheckRequest{})
	if err != nil || got.GetDeniedResponse().GetStatus().GetCode() != 500 {
		t.Errorf("over TLS: %v, %v", got, err)
	}
	conn := must(grpc.NewClient("passthrough:///"+f.GRPCAddr, grpc.WithTransportCredentials(insecure.NewCredentials())))
	defer conn.Close()
	if got, err := authv3.NewAuthorizationClient(conn).Check(t.Context(), &authv3.CheckRequest{}); err == nil {
		t.Errorf("in plaintext: %v", got)
	}
	if got := serial(); got != 2 {
		t.Errorf("certificate %d", got)
	}
	ca.Renew(pair)
	if changed, err := f.grpcSource.Reload(); !changed || err != nil {
		t.Errorf("read again: %v, %v", changed, err)
	}
	if got := serial(); got != 3 {
		t.Errorf("certificate %d after it was replaced", got)
	}
}

// The connections of --grpc-addr count towards --max-conns.
func TestGRPCConnectionsAreBounded(t *testing.T) {
	f := serveGRPC(t, func(f *serveCommand) { f.MaxConns = 1 })
	if _, err := askAbout(t, f.GRPCAddr, insecure.NewCredentials(), "", &authv3.CheckRequest{}); err != nil {
		t.Fatal(err)
	}
	greeted := func() bool { // or closed
		conn := must(net.Dial("tcp", f.GRPCAddr))
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		n, err := conn.Read(make([]byte, 1))
		if os.IsTimeout(err) {
			t.Error("a connection is neither greeted nor closed")
		}
		return n == 1
	}
	for end := time.Now().Add(10 * time.Second); !greeted(); { // until the place of the first is free again
		if time.Now().After(end) {
			t.Fatal("no connection is greeted")
		}
	}
	if greeted() {
		t.Error("there are two connections of one")
	}
}
