package authz

import (
	"context"
	"errors"
	"net/http"
	"net/netip"

	"tollgate/keys"
	"tollgate/verify"
)

// The codes of answers beside those of package verify.
const (
	MissingKey    verify.Code = "MISSING_KEY"
	SeveralKeys   verify.Code = "SEVERAL_KEYS"
	BadRequest    verify.Code = "BAD_REQUEST"
	Misconfigured verify.Code = "MISCONFIGURED"
	Internal      verify.Code = "INTERNAL"
	Unavailable   verify.Code = "UNAVAILABLE"
)

// outcomes is the one table of what each code is answered with. A detail that is empty is
// said by whoever makes the answer.
var outcomes = map[verify.Code]struct {
	status int
	detail string
}{
	verify.Valid:                   {http.StatusOK, "the key may be used"},
	BadRequest:                     {http.StatusBadRequest, ""},
	SeveralKeys:                    {http.StatusBadRequest, "the request has two different keys: send one"},
	MissingKey:                     {http.StatusUnauthorized, ""},
	verify.NotFound:                {http.StatusUnauthorized, "the key is not valid"},
	verify.Disabled:                {http.StatusUnauthorized, "the key is disabled"},
	verify.Expired:                 {http.StatusUnauthorized, "the key has expired"},
	verify.Forbidden:               {http.StatusForbidden, "the key may not be used here"},
	verify.InsufficientPermissions: {http.StatusForbidden, "the key lacks a permission that this takes"},
	verify.RateLimited:             {http.StatusTooManyRequests, "the key is used too often"},
	verify.UsageExceeded:           {http.StatusTooManyRequests, "the key has no credits left for this"},
	Misconfigured:                  {http.StatusInternalServerError, ""},
	Internal:                       {http.StatusInternalServerError, "internal error"},
	Unavailable:                    {http.StatusServiceUnavailable, ""},
}

// Codes returns the codes that an answer may have.
func Codes() []verify.Code {
	all := make([]verify.Code, 0, len(outcomes))
	for code := range outcomes {
		all = append(all, code)
	}
	return all
}

// Answer is what whoever asked is told. It is not changed once it is made.
type Answer struct {
	Status     int // of HTTP, as the question's profile has it
	Code       verify.Code
	Detail     string          // for people; it holds nothing secret
	RetryAfter int64           // s until it may pass; 0 where that is not known, or does not help
	Outcome    *verify.Outcome // nil where nothing was decided
	Err        error           // why nothing was decided, for the log; nil where something was, or nobody was asked

	question *Question
}

// Allowed reports whether the request may go on. Nothing else than VALID allows it.
func (a *Answer) Allowed() bool { return a.Code == verify.Valid }

// refuse makes the answer of a code; a detail of its own takes the place of the table's.
func (q *Question) refuse(code verify.Code, detail string) *Answer {
	row, known := outcomes[code]
	if !known { // of a verifier that is not this version's
		code, row = Internal, outcomes[Internal]
	}
	if detail == "" {
		detail = row.detail
	}
	status := row.status
	if status == http.StatusTooManyRequests && q.Profile == Nginx {
		status = http.StatusForbidden
	}
	return &Answer{Status: status, Code: code, Detail: detail, question: q}
}

// NotFound is the answer to a key that nobody needs to be asked about: it can't be one.
func (q *Question) NotFound() *Answer { return q.refuse(verify.NotFound, "") }

// Refuse makes the answer to a request that HTTP itself refuses with a status.
func Refuse(status int, detail string) *Answer {
	code := BadRequest
	switch {
	case status == http.StatusServiceUnavailable:
		code = Unavailable
	case status >= http.StatusInternalServerError:
		code = Internal
	}
	return &Answer{Status: status, Code: code, Detail: detail, question: &Question{}}
}

// Verifier is a *verify.Verifier.
type Verifier interface {
	Verify(ctx context.Context, r *verify.Request) (*verify.Outcome, error)
}

// Caller is who brings a key, and for whom it is asked.
type Caller struct {
	Key     keys.Secret
	RootKey keys.Secret // the root key that asks; without one nobody is asked for
	Address netip.Addr  // of the client; the zero Addr where it is unknown
	Source  netip.Addr  // of verify.Request
}

// Ask verifies a key, which spends its costs where it is valid. There is always an answer.
func (q *Question) Ask(ctx context.Context, v Verifier, c Caller) *Answer {
	r := &verify.Request{
		Secret: c.Key, RootKey: c.RootKey, Address: c.Address, Source: c.Source,
		WorkspaceID: q.WorkspaceID, APIID: q.APIID,
		Permissions: q.Permissions, Cost: q.Cost, Limits: q.Limits, Tags: q.Tags,
	}
	if q.APIID == "*" {
		r.APIID = ""
	}
	outcome, err := v.Verify(ctx, r)
	if err != nil {
		return q.Failed(err)
	}
	answer := q.refuse(outcome.Code, "")
	answer.Outcome, answer.RetryAfter = outcome, r.RetryAfter(outcome)
	return answer
}

// Failed is the answer where an error came in place of an outcome. Only a failure of the
// store is unavailable; everything else is wrong with the question, or with the root key.
func (q *Question) Failed(err error) *Answer {
	answer := q.failed(err)
	answer.Err = err
	return answer
}

func (q *Question) failed(err error) *Answer {
	var wrong *QuestionError
	if errors.As(err, &wrong) {
		return q.refuse(Misconfigured, wrong.Message)
	}
	e := keys.AsError(err)
	switch e.Kind {
	case keys.KindInternal:
		return q.refuse(Internal, "")
	case keys.KindUnavailable:
		answer := q.refuse(Unavailable, e.Message)
		if e.Failure.Passes() {
			answer.RetryAfter = 1
		}
		return answer
	}
	return q.refuse(Misconfigured, about(e)+e.Message)
}

// about says what an error is about that is not the client's.
func about(e *keys.Error) string {
	switch e.Kind {
	case keys.KindInvalid:
		if e.Field != "" {
			return e.Field + ": "
		}
	case keys.KindUnauthenticated, keys.KindNotRootKey, keys.KindDisabled, keys.KindExpired, keys.KindUsageExceeded,
		keys.KindRateLimited, keys.KindForbidden, keys.KindMissingPermission:
		return "the root key that asks: "
	}
	return ""
}
