package redisdb

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
)

// TLSFiles are for the rediss forms of a URL, in PEM. The zero value believes the authorities
// of the system, and shows no certificate.
type TLSFiles struct {
	CA          string // authorities of which one must have signed the servers' certificates; read by Dial
	Certificate string // of the client, with its chain; it is read for each connection
	Key         string // of Certificate
}

// apply sets what the files say. config is nil where the URL is not one for TLS.
func (f TLSFiles) apply(config *tls.Config) error {
	switch {
	case f == TLSFiles{}:
		return nil
	case config == nil:
		return errors.New("an authority and a client's certificate are for rediss://, rediss+sentinel:// and rediss+cluster://")
	case (f.Certificate == "") != (f.Key == ""):
		return errors.New("a client's certificate and its key go together")
	}
	if f.CA != "" {
		text, err := os.ReadFile(f.CA)
		if err != nil {
			return err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return fmt.Errorf("%s holds no certificate", f.CA)
		}
	}
	if f.Certificate == "" {
		return nil
	}
	return f.showCertificate(config)
}

// showCertificate shows the client's certificate. Files that can't be read later, while
// somebody writes them, leave the certificate that was read last.
func (f TLSFiles) showCertificate(config *tls.Config) error {
	first, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
	if err != nil {
		return err
	}
	var last atomic.Pointer[tls.Certificate]
	last.Store(&first)
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if now, err := tls.LoadX509KeyPair(f.Certificate, f.Key); err == nil {
			last.Store(&now)
		}
		return last.Load(), nil
	}
	return nil
}
