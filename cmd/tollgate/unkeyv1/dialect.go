// Package unkeyv1 speaks Unkey's first API generation: the one of @unkey/api 0.x,
// @unkey/ratelimit 0.x and unkey-go. It maps names and shapes, and decides nothing.
//
// Each endpoint is a row of the table in routes.go: its path, the rights its root
// key needs, its request type, and a function that turns the request into a call of
// the domain and the result into an answer. wire.go has the types that several of
// them share; errors.go is the one table from the domain's errors to v1's.
package unkeyv1

import (
	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/keys/store"
	"tollgate/keys/usage"
	"tollgate/verify"
	"tollgate/verify/authz"
)

// API serves the endpoints on a store.
type API struct {
	store    *store.Store
	usage    *usage.Reader
	verifier *verify.Verifier
	dialect  *web.Dialect
}

// New makes the dialect. Analytics are read from usage.
func New(store *store.Store, usage *usage.Reader, verifier *verify.Verifier) *API {
	a := &API{store: store, usage: usage, verifier: verifier}
	a.dialect = &web.Dialect{
		Name: "unkey v1", Prefixes: []string{"/v1/"},
		RequestIDHeader: "Unkey-Request-Id",
		NewRequestID:    web.RequestIDs("req_"),
		Fail:            fail,
		Failure:         schema.Describe[errorBody](),
		Admit:           a.admit,
		CheckCredential: a.checkCredential,
		Schema:          []schema.Option{schema.Constants(bounds()), schema.Patterns(keys.Patterns())},
		CORS:            true,
		NoStore:         true,
		Challenge:       authz.Challenge,
		Pretty:          true,
	}
	return a
}

// bounds are those that requests are described by: the domain's, and v1's own.
func bounds() map[string]int64 {
	all := verify.Bounds()
	all["MaxIdentityMeta"] = maxIdentityMeta
	return all
}

// Dialect is how v1 answers.
func (a *API) Dialect() *web.Dialect { return a.dialect }

// admit finds out who is calling, by the root key in the Authorization header.
func (a *API) admit(c *web.Call) error {
	token, err := tokenOf(c)
	if err != nil {
		return err
	}
	caller, err := a.verifier.Authenticate(c.Context(), token, c.Source())
	if err != nil {
		return err
	}
	c.Caller = caller
	return nil
}

// checkCredential is admit for a large body that was not read yet.
func (a *API) checkCredential(c *web.Call) error {
	token, err := tokenOf(c)
	if err != nil {
		return err
	}
	return a.verifier.CheckRootKey(c.Context(), token, c.Source())
}

func tokenOf(c *web.Call) (keys.Secret, error) {
	token, found := c.Bearer()
	if found != web.Presented {
		return keys.Secret{}, keys.Errorf(keys.KindUnauthenticated, "key", "key required")
	}
	return keys.NewSecret(token), nil
}

// access is what the caller may do on the route it called. v1 never bounded how long
// windows are: those who have a root key keep a year.
func access(c *web.Call) keys.Access {
	needs, _ := c.Route().Needs.([]keys.Right)
	a := c.Caller.(*keys.Caller).As(needs...)
	a.Also, _ = c.Route().Also.([]keys.Right)
	a.LongDurations = true
	return a
}

// empty is the answer {}.
type empty struct{}
