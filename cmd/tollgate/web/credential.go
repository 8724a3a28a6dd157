package web

import (
	"strings"
)

// Credential says what became of reading an Authorization header.
type Credential uint8

// The outcomes. Dialects answer them differently.
const (
	Missing   Credential = iota // no header
	BadScheme                   // another scheme, no token, or more than one word
	Presented                   // a token, not yet looked at
)

// Bearer reads "Authorization: Bearer <token>".
func (c *Call) Bearer() (token string, found Credential) { return c.Token("Bearer") }

// Token reads "Authorization: <scheme> <token>", such as NetBird's "Token".
func (c *Call) Token(scheme string) (token string, found Credential) {
	return parseAuthorization(c.Authorization(), scheme)
}

// Authorization is the value of that header, empty when it was not sent.
func (c *Call) Authorization() string {
	if !c.asked {
		c.authorization, c.asked = c.Header("Authorization"), true
	}
	return c.authorization
}

// parseAuthorization compares the scheme without regard to case, as HTTP has it.
func parseAuthorization(header, scheme string) (string, Credential) {
	if header == "" {
		return "", Missing
	}
	got, token, _ := strings.Cut(header, " ")
	token = strings.Trim(token, " \t")
	if !strings.EqualFold(got, scheme) || token == "" || strings.ContainsAny(token, " \t") {
		return "", BadScheme
	}
	return token, Presented
}
