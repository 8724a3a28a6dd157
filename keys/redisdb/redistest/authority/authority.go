// Package authority makes certificates for tests, for servers on loopback and their clients.
package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs certificates. Its own is in File.
type Authority struct {
	File string // in PEM

	tb          testing.TB
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	serial      int64
}

// Pair are the files of a certificate and its key, in PEM.
type Pair struct{ Certificate, Key string }

// New makes an authority of the test's own.
func New(tb testing.TB) *Authority {
	tb.Helper()
	a := &Authority{tb: tb, File: filepath.Join(tb.TempDir(), "ca.pem"), serial: 1}
	template := a.template("Test authority")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	a.key = newKey(tb)
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err == nil {
		a.certificate, err = x509.ParseCertificate(der)
	}
	a.must(err)
	a.write(a.File, "CERTIFICATE", der)
	return a
}

// Issue writes a certificate, and its key, into files of their own. It is for 127.0.0.1 and
// localhost, and good for servers and clients.
func (a *Authority) Issue() Pair {
	a.tb.Helper()
	dir := a.tb.TempDir()
	p := Pair{filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")}
	a.Renew(p)
	return p
}

// Renew writes another certificate, with a higher serial number and another key, into the
// files of a pair: each in one step, first the key.
func (a *Authority) Renew(p Pair) {
	a.tb.Helper()
	a.serial++
	template, key := a.template("gateway"), newKey(a.tb)
	template.IPAddresses, template.DNSNames = []net.IP{net.IPv4(127, 0, 0, 1)}, []string{"localhost"}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	a.must(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	a.must(err)
	a.write(p.Key, "PRIVATE KEY", private)
	a.write(p.Certificate, "CERTIFICATE", der)
}

func (a *Authority) template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// write replaces a file in one step.
func (a *Authority) write(path, kind string, der []byte) {
	a.tb.Helper()
	a.must(os.WriteFile(path+".next", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	a.must(os.Rename(path+".next", path))
}

func (a *Authority) must(err error) {
	a.tb.Helper()
	if err != nil {
		a.tb.Fatal(err)
	}
}

// Client returns settings for a client that believes this authority, with a certificate of its
// own unless the pair is the zero Pair.
func (a *Authority) Client(own Pair) *tls.Config {
	a.tb.Helper()
	config := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	config.RootCAs.AddCert(a.certificate)
	if own != (Pair{}) {
		pair, err := tls.LoadX509KeyPair(own.Certificate, own.Key)
		a.must(err)
		config.Certificates = []tls.Certificate{pair}
	}
	return config
}
