package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"tollgate/cmd/tollgate/health"
	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
)

// healthCommand is `tollgate health`.
type healthCommand struct {
	URL     string        `name:"url" placeholder:"URL" help:"What to ask. Without it: /readyz of the gateway on this machine, as its settings say."`
	Timeout time.Duration `default:"2s" help:"How long to wait for the answer (${default})."`
	CA      string        `name:"ca" placeholder:"FILE" help:"Authorities, in PEM, of which one must have signed the gateway's certificate. Without it: those of the system, and on loopback any."`
	Cert    string        `placeholder:"FILE" help:"A client's certificate, in PEM, where the gateway wants one."`
	Key     string        `placeholder:"FILE" help:"Private key of --cert, in PEM."`
	Addr    string        `env:"TOLLGATE_ADDR" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where the gateway listens (${default})."`
	TLSCert string        `name:"tls-cert" env:"TOLLGATE_TLS_CERT" placeholder:"FILE" help:"Given where the gateway speaks TLS. The file is not read."`
}

// Run says nothing where the gateway is ready.
func (c *healthCommand) Run() error {
	switch {
	case c.Timeout <= 0:
		return usagef("--timeout is longer than 0s")
	case (c.Cert == "") != (c.Key == ""):
		return usagef("--cert and --key go together")
	}
	if c.URL == "" {
		var err error
		if c.URL, err = health.URLOf(c.Addr, c.TLSCert != ""); err != nil {
			return usagef("--addr: want HOST:PORT")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.Timeout)
	defer cancel()
	return health.Check{URL: c.URL, CA: c.CA, Certificate: c.Cert, Key: c.Key}.Ask(ctx)
}

// readyDetail answers the operator whether the gateway is ready, and why not: with what the
// store said, which strangers are not told.
func (g *gateway) readyDetail(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	answer, status := map[string]string{"status": "ok"}, http.StatusOK
	switch err := g.ready(ctx); {
	case errors.Is(err, web.ErrDegraded):
		answer["status"] = "degraded"
	case err != nil:
		failed := keys.AsError(err)
		answer, status = map[string]string{"status": "not ready", "cause": err.Error()}, http.StatusServiceUnavailable
		if failed.Kind == keys.KindUnavailable {
			answer["store"] = failed.Failure.String()
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // whoever asked may be gone
}
