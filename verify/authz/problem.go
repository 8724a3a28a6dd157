package authz

import (
	"encoding/json"
	"net/http"

	"tollgate/verify"
)

// ProblemType is the media type of the body of an answer that refuses.
const ProblemType = "application/problem+json"

// Problem is the body of an answer that refuses: a problem of RFC 9457, with the code.
type Problem struct {
	Type   string      `json:"type"`
	Title  string      `json:"title"`
	Status int         `json:"status"`
	Detail string      `json:"detail"`
	Code   verify.Code `json:"code"`
}

// Problem returns the body of an answer that refuses.
func (a *Answer) Problem() Problem {
	return Problem{"about:blank", http.StatusText(a.Status), a.Status, a.Detail, a.Code}
}

// Body returns the body as it is sent; nil for an answer that allows.
func (a *Answer) Body() []byte {
	if a.Allowed() {
		return nil
	}
	text, _ := json.Marshal(a.Problem()) // texts and a number always encode
	return text
}
