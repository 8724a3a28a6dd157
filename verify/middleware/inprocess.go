package middleware

import (
	"context"

	"tollgate/verify"
	"tollgate/verify/authz"
)

// InProcess returns a Decider that verifies in this process. A question without a
// WorkspaceID takes the keys of every workspace of the store.
func InProcess(v *verify.Verifier) Decider { return inProcess{v} }

type inProcess struct{ verifier authz.Verifier }

// Decide implements Decider.
func (p inProcess) Decide(ctx context.Context, q *authz.Question, c Client) Decision {
	answer := q.Ask(ctx, p.verifier, authz.Caller{Key: c.Key, Address: c.Address})
	if !answer.Allowed() {
		return Refused(answer)
	}
	return Decision{Status: answer.Status, Headers: answer.ClientHeaders, Identity: OfOutcome(answer.Outcome)}
}
