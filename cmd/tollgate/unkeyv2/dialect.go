// Package unkeyv2 speaks Unkey's second API generation: the one of @unkey/api 2.x,
// @unkey/ratelimit 2.x, @unkey/hono 2.x and github.com/unkeyed/sdks/api/go/v2. It
// maps names and shapes, and decides nothing.
//
// Each endpoint is a row of the table in routes.go: its path, the rights its root
// key needs, its request type, and a function that turns the request into a call of
// the domain and the result into the data of an answer. envelope.go is what is
// around each answer, errors.go the one table from the domain's errors to v2's,
// wire.go what several endpoints share.
package unkeyv2

import (
	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/keys/store"
	"tollgate/verify"
	"tollgate/verify/authz"
)

// API serves the endpoints on a store.
type API struct {
	store    *store.Store
	verifier *verify.Verifier
	dialect  *web.Dialect
}

// New makes the dialect.
func New(store *store.Store, verifier *verify.Verifier) *API {
	a := &API{store: store, verifier: verifier}
	a.dialect = &web.Dialect{
		Name: "unkey v2", Prefixes: []string{"/v2/"},
		RequestIDHeader: "Unkey-Request-Id",
		NewRequestID:    web.RequestIDs("req_"),
		Fail:            fail,
		Failure:         schema.Describe[errorBody](),
		FailureTypes:    []string{problemType},
		Admit:           admit,
		Authorise:       a.authorise,
		CheckCredential: a.checkCredential,
		Schema:          []schema.Option{schema.Closed(), schema.Constants(verify.Bounds()), schema.Patterns(keys.Patterns())},
		RequireJSON:     true,
		NoStore:         true,
		Challenge:       authz.Challenge,
	}
	return a
}

// Dialect is how v2 answers.
func (a *API) Dialect() *web.Dialect { return a.dialect }

// admit wants an Authorization header before anything is read, as part of what a
// request must look like.
func admit(c *web.Call) error {
	if _, found := c.Bearer(); found == web.Missing {
		return errNoHeader
	}
	return nil
}

// authorise finds out who is calling, by the root key, once the request could be
// read. A verification brings the root key along to the call that spends.
func (a *API) authorise(c *web.Call) error {
	token, found := c.Bearer()
	if found != web.Presented {
		return errBadHeader
	}
	if c.Route().Path == verifyPath {
		return nil
	}
	caller, err := a.verifier.Authenticate(c.Context(), keys.NewSecret(token), c.Source())
	if err != nil {
		return err
	}
	c.Caller = caller
	return nil
}

// checkCredential is admit and authorise for a large body that was not read yet.
func (a *API) checkCredential(c *web.Call) error {
	if err := admit(c); err != nil {
		return err
	}
	token, found := c.Bearer()
	if found != web.Presented {
		return errBadHeader
	}
	return a.verifier.CheckRootKey(c.Context(), keys.NewSecret(token), c.Source())
}

// access is what the caller may do on the route it called.
func access(c *web.Call) keys.Access {
	needs, _ := c.Route().Needs.([]keys.Right)
	a := c.Caller.(*keys.Caller).As(needs...)
	a.Also, _ = c.Route().Also.([]keys.Right)
	return a
}
