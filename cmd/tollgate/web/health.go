package web

import (
	"context"
	"errors"
	"net/http"

	"tollgate/keys"
)

// health makes an endpoint of a check. What is wrong is for the log alone.
func (s *Server) health(check func(context.Context) error) Endpoint {
	return Plain(func(c *Call) (status, error) {
		err := check(c.Context())
		if errors.Is(err, ErrDegraded) {
			return status{"degraded"}, nil
		}
		if err != nil {
			return status{}, &keys.Error{Kind: keys.KindUnavailable, Message: "not ready", Err: err}
		}
		return status{"ok"}, nil
	})
}

// ErrDegraded is the error of a check for what works only in part: it stays ready, and the
// answer says that it is degraded.
var ErrDegraded = errors.New("degraded")

type status struct {
	Status string `json:"status"`
}

// addHealth puts two rows into the table, for the fallback dialect. Alive means
// that a restart would not help; ready means that traffic should come here.
func (s *Server) addHealth() {
	ready := func(ctx context.Context) error {
		if !s.Ready() {
			return errors.New("starting or shutting down")
		}
		return s.config.Ready(ctx)
	}
	s.router.Add(s.router.fallback,
		Route{Method: http.MethodGet, Path: "/livez", Name: "livez", Public: true, Endpoint: s.health(s.config.Live)},
		Route{Method: http.MethodGet, Path: "/readyz", Name: "readyz", Public: true, Endpoint: s.health(ready)},
	)
}
