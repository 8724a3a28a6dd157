// Package netbird speaks the setup keys and groups of NetBird's management API, as
// its Go client, its Terraform provider and its dashboard call them, and adds the
// call by which a key is redeemed. It maps names and shapes, and decides nothing.
//
// Each endpoint is a row of the table in routes.go. setupkeys.go, groups.go and
// redeem.go have the requests and answers, body.go how a body is read, errors.go
// the one table from the domain's errors to NetBird's.
package netbird

import (
	"log/slog"
	"strings"

	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/keys/setupkeys"
	"tollgate/verify"

	"github.com/rs/xid"
)

// Options of the dialect. The zero value works.
type Options struct {
	Lifetimes setupkeys.Lifetimes // of setup keys
	Log       *slog.Logger        // of redemptions that are refused; slog.Default() when nil
}

// API serves the endpoints on a store.
type API struct {
	store    *setupkeys.Keys
	verifier *verify.Verifier
	options  Options
	dialect  *web.Dialect
}

// New makes the dialect.
func New(store *setupkeys.Keys, verifier *verify.Verifier, o Options) *API {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	a := &API{store: store, verifier: verifier, options: o}
	a.dialect = &web.Dialect{
		Name: "netbird", Prefixes: []string{"/api/"},
		RequestIDHeader: "X-Request-Id",
		NewRequestID:    func() string { return xid.New().String() },
		Fail:            fail,
		Failure:         schema.Describe[errorBody](),
		Admit:           a.admit,
		CheckCredential: a.checkCredential,
		CORS:            true,
		NoStore:         true,
	}
	return a
}

// Dialect is how NetBird's API answers.
func (a *API) Dialect() *web.Dialect { return a.dialect }

var (
	errNoToken  = keys.Errorf(keys.KindUnauthenticated, "key", "no valid authentication provided")
	errBadToken = keys.Errorf(keys.KindUnauthenticated, "key", "token invalid")
)

// admit finds out who is calling, by a root key of either scheme.
func (a *API) admit(c *web.Call) error {
	c.SetHeader("Vary", "Origin")
	token, err := tokenOf(c.Authorization())
	if err != nil {
		return err
	}
	caller, err := a.verifier.Authenticate(c.Context(), keys.NewSecret(token), c.Source())
	if err != nil {
		return refused(err)
	}
	c.Caller = caller
	return nil
}

// checkCredential is admit for a large body that was not read yet.
func (a *API) checkCredential(c *web.Call) error {
	token, err := tokenOf(c.Authorization())
	if err != nil {
		return err
	}
	if err := a.verifier.CheckRootKey(c.Context(), keys.NewSecret(token), c.Source()); err != nil {
		return refused(err)
	}
	return nil
}

// tokenOf reads "Token <token>" and "Bearer <token>", whatever their case. An
// access token is looked at here: a wrong one never reaches the store.
func tokenOf(header string) (string, error) {
	words := strings.Split(header, " ")
	switch scheme := strings.ToLower(words[0]); {
	case scheme != "token" && scheme != "bearer":
		return "", errNoToken
	case len(words) != 2 || words[1] == "":
		return "", errBadToken
	case keys.IsAccessToken(words[1]) && !keys.CheckAccessToken(words[1]):
		return "", errBadToken
	}
	return words[1], nil
}

// refused is what a root key that may not be used is told. It is 401 for one that
// is not there, or not any more: NetBird's clients take a 404 for a lost resource.
func refused(err error) error {
	switch keys.AsError(err).Kind {
	case keys.KindUnauthenticated, keys.KindNotRootKey, keys.KindDisabled, keys.KindExpired:
		return errBadToken
	}
	return err
}

// access is what the caller may do on the route it called.
func access(c *web.Call) keys.Access {
	needs, _ := c.Route().Needs.([]keys.Right)
	return c.Caller.(*keys.Caller).As(needs...)
}

// empty is the answer {}.
type empty struct{}
