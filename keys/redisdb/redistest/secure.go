package redistest

import (
	"fmt"

	"tollgate/keys/redisdb/redistest/authority"
)

// secure is how a server speaks TLS.
type secure struct {
	ca   *authority.Authority
	pair authority.Pair // of the server, and of the kit's own clients
}

// WithTLS has a server speak TLS and nothing else, to clients with a certificate of the
// authority: with replicas, on a Cluster's bus and with sentinels as well.
func WithTLS(ca *authority.Authority) Option {
	pair := ca.Issue()
	return func(s *Server) { s.secure = &secure{ca, pair} }
}

// WithSentinelPassword asks whoever connects to a sentinel for a password.
func WithSentinelPassword(password string) Option {
	return func(s *Server) { s.sentinelPassword = password }
}

// portLines are where the server listens.
func (s *Server) portLines() []string {
	if s.secure == nil {
		return []string{fmt.Sprintf("port %d", s.port)}
	}
	return []string{
		"port 0", fmt.Sprintf("tls-port %d", s.port), "tls-auth-clients yes", "tls-replication yes", "tls-cluster yes",
		"tls-cert-file " + s.secure.pair.Certificate, "tls-key-file " + s.secure.pair.Key, "tls-ca-cert-file " + s.secure.ca.File,
	}
}

// scheme is how the server's URLs begin.
func (s *Server) scheme() string {
	if s.secure != nil {
		return "rediss"
	}
	return "redis"
}
