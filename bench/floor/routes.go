package main

import (
	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
)

// router has the endpoints that are measured, each in its dialect's manner.
func (s *store) router() *web.Router {
	v1 := s.dialect("floor v1", "/v1/", "Unkey-Request-Id")
	v1.CORS, v1.Pretty = true, true
	v2 := s.dialect("floor v2", "/v2/", "")
	v2.Schema, v2.RequireJSON = []schema.Option{schema.Closed()}, true
	netbird := s.dialect("floor netbird", "/api/", "")
	router := web.NewRouter(v1, v2, netbird)
	add(router, v1, "/v1/keys.verifyKey", true, s, func(in *verifyV1) string { return in.Key })
	add(router, v1, "/v1/keys.createKey", false, s, func(in *createV1) string { return in.APIID })
	add(router, v1, "/v1/ratelimits.limit", false, s, func(in *limit) string { return in.Identifier })
	add(router, v2, "/v2/keys.verifyKey", false, s, func(in *verifyV2) string { return in.Key })
	add(router, v2, "/v2/ratelimit.limit", false, s, func(in *limit) string { return in.Identifier })
	add(router, netbird, "/api/setup-keys/redeem", false, s, func(in *redeem) string { return in.Key })
	return router
}

func (s *store) dialect(name, prefix, header string) *web.Dialect {
	return &web.Dialect{
		Name: name, Prefixes: []string{prefix}, RequestIDHeader: header,
		NewRequestID: func() string { return keys.NewID("req") },
		Fail:         fail,
		Admit:        admit,
	}
}

// admit reads the root key and asks nobody about it: that would be a second HGET.
func admit(c *web.Call) error {
	for _, scheme := range []string{"Bearer", "Token"} {
		if _, found := c.Token(scheme); found == web.Presented {
			return nil
		}
	}
	return keys.Errorf(keys.KindUnauthenticated, "key", "key required")
}

func fail(c *web.Call, p web.Problem) {
	c.SetStatus(500)
	c.Write("text/plain", []byte(p.Message()))
}

func add[Req any](r *web.Router, d *web.Dialect, path string, public bool, s *store, subject func(*Req) string) {
	endpoint := web.JSON(d, func(c *web.Call, in *Req) (written, error) {
		a, err := s.find(c.Context(), subject(in))
		return written{a, c.RequestID()}, err
	})
	r.Add(d, web.Route{Method: "POST", Path: path, Name: path, Public: public, Endpoint: endpoint})
}
