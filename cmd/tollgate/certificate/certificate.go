// Package certificate reads the certificate of a TLS server from files, and reads them again
// while the server runs: on request, and every few seconds.
//
// What is read takes the place of what there was as a whole, or not at all: a certificate
// without its key, which somebody may be about to write, leaves the old pair. Connections that
// stand keep what they were made with; the next handshake has the new one.
//
// The files are compared by what is in them, since a mounted secret is replaced by a link
// whose file may be older than the one before.
package certificate

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Files name what a server shows, and whom it lets in. They are in PEM.
type Files struct {
	Certificate string // with its chain
	Key         string
	ClientCA    string // authorities of which one must have signed a client's certificate; "" asks for none
}

// Source has the certificate of a server. It is safe for concurrent use.
type Source struct {
	files   Files
	reading sync.Mutex
	current atomic.Pointer[material]
}

// material is what the files hold.
type material struct {
	sum         [sha256.Size]byte // of the files
	certificate tls.Certificate
	clients     *x509.CertPool // nil asks for no certificate
}

// Load reads the files.
func Load(files Files) (*Source, error) {
	s := &Source{files: files}
	_, err := s.Reload()
	return s, err
}

// Reload reads the files again and reports whether they hold something else. With an error
// everything stays as it was.
func (s *Source) Reload() (changed bool, err error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	texts, sum, err := s.files.read()
	if err != nil {
		return false, err
	}
	if now := s.current.Load(); now != nil && now.sum == sum {
		return false, nil
	}
	next, err := parse(texts)
	if err != nil {
		return false, err
	}
	next.sum = sum
	s.current.Store(next)
	return true, nil
}

// read returns the files' texts in the order of Files, and what tells them from others.
func (f Files) read() (texts [3][]byte, sum [sha256.Size]byte, err error) {
	hash := sha256.New()
	for i, path := range []string{f.Certificate, f.Key, f.ClientCA} {
		if path == "" {
			continue
		}
		if texts[i], err = os.ReadFile(path); err != nil {
			return texts, sum, err
		}
		one := sha256.Sum256(texts[i])
		hash.Write(one[:])
	}
	return texts, [sha256.Size]byte(hash.Sum(nil)), nil
}

func parse(texts [3][]byte) (*material, error) {
	pair, err := tls.X509KeyPair(texts[0], texts[1])
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "tls: "))
	}
	m := &material{certificate: pair}
	if texts[2] == nil {
		return m, nil
	}
	m.clients = x509.NewCertPool()
	if !m.clients.AppendCertsFromPEM(texts[2]) {
		return nil, errors.New("the file of authorities holds no certificate")
	}
	return m, nil
}

// Every is how often Watch reads the files.
const Every = 5 * time.Second

// Watch reads the files again every so often until ctx ends, and calls report when they hold
// something else, and with why they can't be used, once for each reason in a row.
func (s *Source) Watch(ctx context.Context, every time.Duration, report func(error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		changed, err := s.Reload()
		if said := fmt.Sprint(err); changed || err != nil && said != last {
			report(err)
			last = said
		}
	}
}

// Leaf returns the certificate that is shown now, without its chain. It must not be changed.
func (s *Source) Leaf() *x509.Certificate { return s.current.Load().certificate.Leaf }

// Config returns settings for a server that speaks the protocols: TLS 1.2 or later, and each
// handshake with what was read last. Where clients need a certificate no session is resumed:
// an authority that was taken out of the file then lets nobody in by an earlier handshake.
func (s *Source) Config(protocols ...string) *tls.Config {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: protocols,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &s.current.Load().certificate, nil },
	}
	if s.files.ClientCA == "" {
		return config
	}
	config.UnwrapSession = func([]byte, tls.ConnectionState) (*tls.SessionState, error) { return nil, nil } // a full handshake instead
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now := config.Clone()
		now.GetConfigForClient = nil
		now.ClientAuth, now.ClientCAs = tls.RequireAndVerifyClientCert, s.current.Load().clients
		return now, nil
	}
	return config
}
