package unkeyv1

import (
	"net/http"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
)

// failure is a code of v1 and the status it is sent with.
type failure struct {
	code   string
	status int
}

// failures turns the domain's kinds into v1's codes. UNAUTHORIZED is sent as 403:
// v1's server did, and its clients look at the code.
var failures = map[keys.Kind]failure{
	keys.KindInternal:          {"INTERNAL_SERVER_ERROR", http.StatusInternalServerError},
	keys.KindInvalid:           {"BAD_REQUEST", http.StatusBadRequest},
	keys.KindUnauthenticated:   {"UNAUTHORIZED", http.StatusForbidden},
	keys.KindNotRootKey:        {"UNAUTHORIZED", http.StatusForbidden},
	keys.KindForbidden:         {"FORBIDDEN", http.StatusForbidden},
	keys.KindMissingPermission: {"INSUFFICIENT_PERMISSIONS", http.StatusForbidden},
	keys.KindDisabled:          {"DISABLED", http.StatusForbidden},
	keys.KindExpired:           {"EXPIRED", http.StatusForbidden},
	keys.KindUsageExceeded:     {"USAGE_EXCEEDED", http.StatusForbidden},
	keys.KindRateLimited:       {"RATE_LIMITED", http.StatusTooManyRequests},
	keys.KindNotFound:          {"NOT_FOUND", http.StatusNotFound},
	keys.KindConflict:          {"CONFLICT", http.StatusConflict},
	keys.KindGone:              {"NOT_FOUND", http.StatusNotFound},
	keys.KindPrecondition:      {"PRECONDITION_FAILED", http.StatusPreconditionFailed},
	keys.KindProtected:         {"DELETE_PROTECTED", http.StatusPreconditionFailed},
	keys.KindUnavailable:       {"SERVICE_UNAVAILABLE", http.StatusServiceUnavailable},
}

// faults are the codes of what HTTP itself refuses.
var faults = map[int]string{
	http.StatusNotFound:           "NOT_FOUND",
	http.StatusMethodNotAllowed:   "METHOD_NOT_ALLOWED",
	http.StatusTooManyRequests:    "RATE_LIMITED",
	http.StatusServiceUnavailable: "SERVICE_UNAVAILABLE",
}

// failureOf finds the code and status of a problem.
func failureOf(p web.Problem) failure {
	switch {
	case p.Domain == nil:
		status := p.Status()
		if code, ok := faults[status]; ok {
			return failure{code, status}
		}
		return failure{"BAD_REQUEST", status}
	case p.Domain.Kind == keys.KindPrecondition && p.Domain.Resource == "ratelimit":
		return failures[keys.KindInvalid] // a limit that is named in a verification and not there
	}
	return failures[p.Domain.Kind]
}

type errorBody struct {
	Error errorDetail `json:"error"`
}

type errorDetail struct {
	Code      string `json:"code"`
	Docs      string `json:"docs"`
	Message   string `json:"message"`
	RequestID string `json:"requestId"`
}

const docs = "https://unkey.dev/docs/api-reference/errors/code/"

// fail answers with v1's error envelope.
func fail(c *web.Call, p web.Problem) {
	f := failureOf(p)
	c.SetStatus(f.status)
	_ = c.WriteJSON(errorBody{errorDetail{f.code, docs + f.code, p.Message(), c.RequestID()}}) // strings always encode
}
