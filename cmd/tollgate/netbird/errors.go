package netbird

import (
	"net/http"
	"strings"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
)

// statuses turns the domain's kinds into HTTP. NetBird has no codes beside them.
var statuses = map[keys.Kind]int{
	keys.KindInternal:          http.StatusInternalServerError,
	keys.KindInvalid:           http.StatusUnprocessableEntity,
	keys.KindUnauthenticated:   http.StatusUnauthorized,
	keys.KindNotRootKey:        http.StatusUnauthorized,
	keys.KindForbidden:         http.StatusForbidden,
	keys.KindMissingPermission: http.StatusForbidden,
	keys.KindDisabled:          http.StatusUnauthorized,
	keys.KindExpired:           http.StatusUnauthorized,
	keys.KindUsageExceeded:     http.StatusForbidden,
	keys.KindRateLimited:       http.StatusTooManyRequests,
	keys.KindNotFound:          http.StatusNotFound,
	keys.KindConflict:          http.StatusConflict,
	keys.KindGone:              http.StatusNotFound,
	keys.KindPrecondition:      http.StatusPreconditionFailed,
	keys.KindProtected:         http.StatusBadRequest,
	keys.KindUnavailable:       http.StatusServiceUnavailable,
}

// said are the kinds whose message is always the same.
var said = map[keys.Kind]string{
	keys.KindInternal:          "internal server error",
	keys.KindMissingPermission: "permission denied",
	keys.KindRateLimited:       "too many requests",
}

type errorBody struct {
	Message string `json:"message"`
	Code    int    `json:"code"`
}

// errorOf puts a problem into NetBird's words. What the domain says is sent in
// lower case, ids included, and without the field that is wrong. Only what is gone
// may be called "not found": Terraform goes by these words.
func errorOf(p web.Problem) errorBody {
	switch {
	case p.Schema != nil && len(p.Schema.Violations) > 0 && p.Schema.Violations[0].Path != "":
		return errorBody{p.Schema.Error(), http.StatusBadRequest} // of a query: bodies are read whole
	case p.Schema != nil:
		return errorBody{"couldn't parse JSON request", http.StatusBadRequest}
	case p.Fault != nil:
		return errorBody{p.Fault.Message, p.Fault.Status}
	}
	message, fixed := said[p.Domain.Kind]
	if !fixed {
		message = strings.ToLower(p.Domain.Message)
	}
	return errorBody{message, statuses[p.Domain.Kind]}
}

// fail answers with NetBird's error.
func fail(c *web.Call, p web.Problem) {
	e := errorOf(p)
	c.SetStatus(e.Code)
	c.SetHeader("Vary", "Origin")
	_ = c.WriteJSON(e) // a text and a number always encode
	c.SetHeader("Content-Type", withCharset)
}
