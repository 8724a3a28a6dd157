package main

import (
	"context"
	"errors"
	"net"

	"tollgate/cmd/tollgate/certificate"
	"tollgate/cmd/tollgate/extauthz"
	"tollgate/cmd/tollgate/web"

	"google.golang.org/grpc/credentials"
)

// grpcFlags say where Envoy asks.
type grpcFlags struct {
	GRPCAddr    string `name:"grpc-addr" env:"TOLLGATE_GRPC_ADDR" placeholder:"HOST:PORT" help:"Where to answer Envoy's ext_authz over gRPC, with health and reflection. Without it: nowhere. An address beyond loopback needs --grpc-tls-cert."`
	GRPCTLSCert string `name:"grpc-tls-cert" env:"TOLLGATE_GRPC_TLS_CERT" placeholder:"FILE" help:"Certificate of --grpc-addr with its chain, in PEM. It is read again when it changes, and on SIGHUP."`
	GRPCPolicy  string `name:"grpc-policy" env:"TOLLGATE_GRPC_POLICY" placeholder:"NAME" help:"The policy of --forward-auth-policies that decides checks of ext_authz without context_extensions, which the Gateway API's ExternalAuth can't send. Without it they are refused."`
	GRPCTLSKey  string `name:"grpc-tls-key" env:"TOLLGATE_GRPC_TLS_KEY" placeholder:"FILE" help:"Private key of --grpc-tls-cert, in PEM."`

	grpcSource *certificate.Source // nil for plaintext
}

// checkGRPC refuses an address that would carry keys in plaintext through a network.
func (f *grpcFlags) checkGRPC() error {
	if f.GRPCAddr == "" {
		if f.GRPCTLSCert != "" || f.GRPCTLSKey != "" || f.GRPCPolicy != "" {
			return usagef("--grpc-tls-cert, --grpc-tls-key and --grpc-policy are for --grpc-addr HOST:PORT")
		}
		return nil
	}
	if (f.GRPCTLSCert == "") != (f.GRPCTLSKey == "") {
		return usagef("--grpc-tls-cert and --grpc-tls-key go together")
	}
	if f.GRPCTLSCert != "" {
		var err error
		if f.grpcSource, err = certificate.Load(certificate.Files{Certificate: f.GRPCTLSCert, Key: f.GRPCTLSKey}); err != nil {
			return usagef("--grpc-tls-cert and --grpc-tls-key: %s", err)
		}
	}
	if _, _, err := net.SplitHostPort(f.GRPCAddr); err != nil {
		return usagef("--grpc-addr: want HOST:PORT")
	}
	address, err := net.ResolveTCPAddr("tcp", f.GRPCAddr)
	switch {
	case err != nil:
		return usagef("--grpc-addr: %s", err)
	case f.GRPCTLSCert == "" && !address.IP.IsLoopback():
		return usagef("--grpc-addr %s is not on loopback, and root keys and clients' keys would cross the network in plaintext: give --grpc-tls-cert and --grpc-tls-key, or listen on 127.0.0.1", f.GRPCAddr)
	}
	f.GRPCAddr = address.String() // a name is not looked up a second time
	return nil
}

// credentials are nil for plaintext.
func (f *grpcFlags) credentials() credentials.TransportCredentials {
	if f.grpcSource == nil {
		return nil
	}
	return credentials.NewTLS(f.grpcSource.Config("h2"))
}

// grpcServer is where Envoy asks.
type grpcServer struct {
	*extauthz.Server
	listener net.Listener
}

// openGRPC makes the server of --grpc-addr, nil without it. Its connections are bounded
// together with those of http.
func (g *gateway) openGRPC(http *web.Server) (*grpcServer, error) {
	f := g.flags
	if f.GRPCAddr == "" {
		return nil, nil
	}
	transport := f.credentials()
	listener, err := net.Listen("tcp", f.GRPCAddr)
	if err != nil {
		return nil, err
	}
	config := extauthz.Config{
		Verifier: g.verifier, Policies: g.policies, Default: f.GRPCPolicy, Addresses: g.addresses, Ready: g.ready, Credentials: transport,
		MaxMemory: f.MaxMemory << 20, MaxHeader: f.MaxHeader, HandshakeTimeout: f.ReadTimeout, IdleTimeout: f.IdleTimeout, DrainDelay: f.DrainDelay,
		Log: g.log,
	}
	if g.counts != nil {
		config.Observe = g.counts.Checked
	}
	g.log.Info("listening for ext_authz", "addr", listener.Addr().String(), "tls", transport != nil)
	return &grpcServer{extauthz.New(config), http.Limit(listener, extauthz.ConnectionBytes)}, nil
}

// serve serves until Shutdown; nobody where there is no server.
func (s *grpcServer) serve(ended chan<- error) {
	if s != nil {
		go func() { ended <- s.Serve(s.listener) }()
	}
}

// shutdown drains both servers at once.
func (s *grpcServer) shutdown(ctx context.Context, http *web.Server) error {
	if s == nil {
		return http.Shutdown(ctx)
	}
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(ctx) }()
	return errors.Join(http.Shutdown(ctx), <-done)
}
