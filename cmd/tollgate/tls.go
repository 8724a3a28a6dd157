package main

import (
	"context"

	"tollgate/cmd/tollgate/certificate"
)

// tlsFlags say what --addr speaks.
type tlsFlags struct {
	TLSCert     string `name:"tls-cert" env:"TOLLGATE_TLS_CERT" placeholder:"FILE" help:"Certificate of --addr with its chain, in PEM: with it HTTPS is answered, and no HTTP. It is read again when it changes, and on SIGHUP."`
	TLSKey      string `name:"tls-key" env:"TOLLGATE_TLS_KEY" placeholder:"FILE" help:"Private key of --tls-cert, in PEM."`
	TLSClientCA string `name:"tls-client-ca" env:"TOLLGATE_TLS_CLIENT_CA" placeholder:"FILE" help:"Authorities, in PEM, of which one must have signed a client's certificate. Without it clients need none. It is read again like --tls-cert."`

	source *certificate.Source // nil for plaintext
}

// checkTLS reads the files, if any.
func (f *tlsFlags) checkTLS() (err error) {
	switch {
	case (f.TLSCert == "") != (f.TLSKey == ""):
		return usagef("--tls-cert and --tls-key go together")
	case f.TLSCert == "" && f.TLSClientCA != "":
		return usagef("--tls-client-ca is for --tls-cert and --tls-key")
	case f.TLSCert == "":
		return nil
	}
	f.source, err = certificate.Load(certificate.Files{Certificate: f.TLSCert, Key: f.TLSKey, ClientCA: f.TLSClientCA})
	if err != nil {
		return usagef("--tls-cert, --tls-key and --tls-client-ca: %s", err)
	}
	return nil
}

// certificates returns what the servers show, by the flag that names it.
func (f *serveCommand) certificates() map[string]*certificate.Source {
	all := map[string]*certificate.Source{}
	if f.source != nil {
		all["--tls-cert"] = f.source
	}
	if f.grpcSource != nil {
		all["--grpc-tls-cert"] = f.grpcSource
	}
	return all
}

// watchCertificates reads the files again and again until stop ends.
func (g *gateway) watchCertificates(stop context.Context) {
	for flag, source := range g.flags.certificates() {
		go source.Watch(stop, certificate.Every, func(err error) { g.sayCertificate(flag, source, err) })
	}
}

// sayCertificate logs what came of reading a certificate's files.
func (g *gateway) sayCertificate(flag string, source *certificate.Source, err error) {
	if err != nil {
		g.log.Error("a certificate can't be used: the one before stays", "flag", flag, "cause", err)
		return
	}
	leaf := source.Leaf()
	g.log.Info("certificate read", "flag", flag, "serial", leaf.SerialNumber.Text(16), "not_after", leaf.NotAfter)
}

// url returns how the gateway is asked at an address.
func (g *gateway) url(addr string) string {
	if g.flags.source != nil {
		return "https://" + addr
	}
	return "http://" + addr
}
