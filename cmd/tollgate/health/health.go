// Package health asks a running gateway whether it is ready, as the health checks of
// containers do.
package health

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
)

// Check says whom to ask, and whom to believe.
type Check struct {
	URL         string
	CA          string // file of authorities in PEM; "" are those of the system
	Certificate string // file of a client's certificate, with Key; "" shows none
	Key         string
}

// URLOf returns the URL of readiness at an address on which a gateway listens, from the same
// machine: an address that means every one is asked on loopback.
func URLOf(addr string, secure bool) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if err == nil && ip.Is6() {
			host = "::1"
		}
	}
	scheme := "http"
	if secure {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + "/readyz", nil
}

// Ask returns nil where the gateway is ready.
func (c Check) Ask(ctx context.Context) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true} // no proxy of the environment
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", c.URL, answer.Status)
	}
	return nil
}

// config is how the gateway is asked over TLS. On loopback its certificate is not verified,
// unless a CA is given: it has the name that clients use, and nobody is in between.
func (c Check) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if u, err := url.Parse(c.URL); err == nil && c.CA == "" {
		ip, err := netip.ParseAddr(u.Hostname())
		config.InsecureSkipVerify = err == nil && ip.IsLoopback()
	}
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.New("--ca: the file holds no certificate")
		}
	}
	if c.Certificate == "" {
		return config, nil
	}
	pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	config.Certificates = []tls.Certificate{pair}
	return config, err
}
