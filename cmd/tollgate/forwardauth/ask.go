package forwardauth

import (
	"strings"

	"tollgate/cmd/tollgate/web"
	"tollgate/verify/authz"
)

const bothWays = "ask with /forward-auth?apiId=… and a root key in the header " + RootKeyHeader + ", or with /forward-auth/NAME and a policy of that name in --forward-auth-policies"

// misconfigured is the error of a proxy that asks in neither way.
func misconfigured(why string) error { return &authz.QuestionError{Message: why + ": " + bothWays} }

// serve answers with what is decided about the key that the client sent.
func (a *API) serve(ask func(*web.Call) (*authz.Question, authz.Caller, error)) func(*web.Call) error {
	return func(c *web.Call) error {
		question, caller, err := ask(c)
		if err != nil {
			return err
		}
		key, answer := question.Find(authz.Message{Lines: c.HeaderLines, URI: uri(question, c)})
		if answer == nil {
			caller.Key, caller.Address, caller.Source = key, c.Client(), c.Source()
			answer = question.Ask(c.Context(), a.verifier, caller)
		}
		if answer.Err != nil {
			return answer.Err
		}
		write(c, answer)
		return nil
	}
}

// uri is what the client asked for, where a key is looked for in it.
func uri(q *authz.Question, c *web.Call) string {
	if !q.ReadsURI() {
		return ""
	}
	return c.OriginalURI()
}

// asked reads the question from the query, and the root key from its header.
func (a *API) asked(c *web.Call) (*authz.Question, authz.Caller, error) {
	question, err := a.question(c)
	if err != nil {
		return nil, authz.Caller{}, err
	}
	root, err := authz.ParseRootKey("the header "+RootKeyHeader, c.HeaderLines(RootKeyHeader))
	if err != nil {
		return nil, authz.Caller{}, misconfigured(err.Error())
	}
	return question, authz.Caller{RootKey: root}, nil
}

// question reads the query, or remembers what it was read as.
func (a *API) question(c *web.Call) (*authz.Question, error) {
	query := c.QueryString()
	if known, ok := a.questions.GetIfPresent(query); ok {
		return known, nil
	}
	switch {
	case query == "":
		return nil, misconfigured("nothing is asked")
	case len(query) > authz.MaxQuestion:
		return nil, misconfigured("the query is too long")
	}
	question, err := authz.ParseQuestion(c.Query())
	if err == nil {
		a.questions.Set(query, question)
	}
	return question, err
}

// policy finds the policy of the path.
func (a *API) policy(c *web.Call) (*authz.Question, authz.Caller, error) {
	name, _, _ := strings.Cut(c.Param("policy"), "/")
	p := a.policies.All()[name]
	if p == nil {
		return nil, authz.Caller{}, misconfigured("there is no such policy")
	}
	return p.Question, authz.Caller{RootKey: p.RootKey}, nil
}
