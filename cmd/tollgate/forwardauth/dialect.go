package forwardauth

import (
	"tollgate/cmd/tollgate/policies"
	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/verify/authz"

	"github.com/maypok86/otter/v2"
)

// RootKeyHeader is the header in which a proxy sends a root key.
const RootKeyHeader = "X-Tollgate-Root-Key"

// maxQuestions bounds how many questions are kept, as they are written and as they were
// read. Each has at most authz.MaxQuestion bytes.
const maxQuestions = 1000

// API serves the endpoints with a verifier.
type API struct {
	verifier  authz.Verifier
	policies  policies.Policies
	questions *otter.Cache[string, *authz.Question]
	dialect   *web.Dialect
}

// New makes the dialect. Policies may be nil.
func New(verifier authz.Verifier, policies policies.Policies) *API {
	a := &API{
		verifier: verifier, policies: policies,
		questions: otter.Must(&otter.Options[string, *authz.Question]{MaximumSize: maxQuestions}),
	}
	a.dialect = &web.Dialect{
		Name: "forward auth", Prefixes: []string{"/forward-auth"},
		NewRequestID: web.RequestIDs("req_"),
		Fail:         fail,
		Failure:      schema.Describe[authz.Problem](),
		FailureTypes: []string{authz.ProblemType},
		IgnoreBody:   true,
	}
	return a
}

// Dialect is how a proxy is answered.
func (a *API) Dialect() *web.Dialect { return a.dialect }

// Routes are what is served.
func (a *API) Routes() []web.Route {
	row := func(path, name string, ask func(*web.Call) (*authz.Question, authz.Caller, error)) web.Route {
		return web.Route{
			Method: web.AnyMethod, Path: path, Name: name, Public: true,
			Endpoint: web.Endpoint{Serve: a.serve(ask)},
		}
	}
	return []web.Route{
		row("/forward-auth", "forwardAuth", a.asked),
		row("/forward-auth/{policy}", "forwardAuthPolicy", a.policy),
		row("/forward-auth/{policy}/{rest:*}", "forwardAuthPolicyOf", a.policy),
	}
}

// fail answers what was never decided.
func fail(c *web.Call, p web.Problem) {
	q := &authz.Question{}
	answer := q.Failed(p.Err)
	if p.Fault != nil {
		answer = authz.Refuse(p.Fault.Status, p.Fault.Message)
	}
	write(c, answer)
}

// write sends an answer.
func write(c *web.Call, answer *authz.Answer) {
	c.SetStatus(answer.Status)
	c.SetHeader("Cache-Control", "no-store")
	answer.Headers(c.SetHeader)
	if body := answer.Body(); body != nil {
		c.Write(authz.ProblemType, body)
	}
}
