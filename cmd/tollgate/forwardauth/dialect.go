package forwardauth

import (
	"net/http"

	"tollgate/cmd/tollgate/policies"
	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/verify"
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
	policies  *policies.Current
	questions *otter.Cache[string, *authz.Question]
	dialect   *web.Dialect
}

// New makes the dialect.
func New(verifier authz.Verifier, policies *policies.Current) *API {
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
		NoStore:      true,
	}
	return a
}

// Dialect is how a proxy is answered.
func (a *API) Dialect() *web.Dialect { return a.dialect }

// Routes are what is served.
func (a *API) Routes() []web.Route {
	return []web.Route{{
		Method: web.AnyMethod, Path: "/forward-auth", Name: "forwardAuth", Public: true,
		Headers:  []web.Header{{Name: RootKeyHeader, Description: "A root key that may verify the keys; required.", MaxLength: maxRootKey}},
		Endpoint: web.Endpoint{Serve: a.serve(a.asked), Request: question.Describe()},
	}, {
		Method: web.AnyMethod, Path: "/forward-auth/{policy:*}", Name: "forwardAuthPolicy", Public: true, // and what follows the policy
		Endpoint: web.Endpoint{Serve: a.serve(a.policy)},
	}}
}

var question = schema.MustCompile[parameters](schema.Closed(), schema.Constants(verify.Bounds()))

// parameters describes what authz.ParseQuestion reads.
type parameters struct {
	APIID       string `json:"apiId" check:"required,minLen=1" doc:"The API whose keys are let through; * for those of every API."`
	Permissions string `json:"permissions" check:"minLen=1,maxLen=1000" doc:"A query, such as: orders.read AND orders.write."`
	Cost        int64  `json:"cost" check:"min=0,max=9007199254740991,default=1" doc:"Credits that it takes."`
	RateLimit   string `json:"ratelimit" check:"minLen=1,maxLen=2048" doc:"Stored limits beside those that always apply, as NAME or NAME:COST, several with commas between."`
	Tag         string `json:"tag" check:"minLen=1,maxLen=512" doc:"For the usage counts."`
	Profile     string `json:"profile" check:"enum=default|nginx|envoy" doc:"What the proxy makes of an answer."`
	Identity    string `json:"identity" check:"enum=full" doc:"Roles, permissions and metadata are sent too."`
}

// maxRootKey is how long a root key is described to be, in characters; longer ones are not
// found.
const maxRootKey = 512

// fail answers what was never decided.
func fail(c *web.Call, p web.Problem) {
	switch {
	case p.Fault == nil:
		write(c, new(authz.Question).Failed(p.Err))
	case p.Fault.Status == http.StatusNotFound:
		write(c, new(authz.Question).Failed(misconfigured("nothing is asked")))
	default:
		write(c, authz.Refuse(p.Fault.Status, p.Fault.Message))
	}
}

// write sends an answer.
func write(c *web.Call, answer *authz.Answer) {
	c.SetStatus(answer.Status)
	answer.Headers(c.SetHeader)
	if body := answer.Body(); body != nil {
		c.Write(authz.ProblemType, body)
	}
}
