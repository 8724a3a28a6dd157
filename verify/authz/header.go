package authz

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"tollgate/verify"
)

// CodeHeader has the code of an answer that refuses.
const CodeHeader = "X-Tollgate-Code"

// The identity headers, in the order in which they get their room.
const (
	keyID         = "X-Key-Id"
	keyAPIID      = "X-Key-Api-Id"
	keyRemaining  = "X-Key-Remaining"
	keyExternalID = "X-Key-External-Id"
	keyOwner      = "X-Key-Owner"
	keyName       = "X-Key-Name"
	keyRoles      = "X-Key-Roles"
	keyPerms      = "X-Key-Permissions"
	keyMeta       = "X-Key-Meta"
)

// IdentityHeaders returns the names of the identity headers. Whoever lets a request through
// replaces all of them, or takes out those that a client sent.
func IdentityHeaders() []string {
	return []string{keyID, keyAPIID, keyRemaining, keyExternalID, keyOwner, keyName, keyRoles, keyPerms, keyMeta}
}

const maxIdentity = 3 << 10 // bytes of the identity headers, with their names

// TooLarge stands in an identity header for a value for which there is no room.
const TooLarge = "!"

// Headers calls set with the name and the value of each header of the answer: those of
// Identity and of ClientHeaders, and what the profile adds.
func (a *Answer) Headers(set func(name, value string)) {
	if a.Allowed() && a.question.Profile == Envoy {
		set(headersToRemove, strings.Join(a.question.KeyHeaders(), ","))
	}
	a.Identity(set)
	a.ClientHeaders(set)
}

// ClientHeaders calls set with the headers that are for the client.
func (a *Answer) ClientHeaders(set func(name, value string)) {
	if !a.Allowed() {
		a.refusal(set)
	}
	if a.Outcome == nil {
		return
	}
	if policy, state := a.Outcome.LimitFields(); policy != "" {
		set("RateLimit-Policy", policy)
		set("RateLimit", state)
	}
}

// headersToRemove names the headers that Envoy takes out of a request that it lets through.
const headersToRemove = "X-Envoy-Auth-Headers-To-Remove"

// KeyHeaders returns the headers that hold nothing but a key, in lower case: whoever lets a
// request through takes them out. A header of cookies has others beside it.
func (q *Question) KeyHeaders() []string {
	var names []string
	for _, s := range q.KeySources() {
		if name := s.headerName(); name != "" {
			names = append(names, strings.ToLower(name))
		}
	}
	return names
}

// Identity calls set with the nine identity headers of an answer that allows, which are for
// whoever serves the request. An answer that refuses has none.
func (a *Answer) Identity(set func(name, value string)) {
	if !a.Allowed() {
		return
	}
	room := maxIdentity
	add := func(name, value string) {
		size := len(name) + len(value) + len(": \r\n")
		if value != "" && size > room {
			value, size = TooLarge, len(name)+len(TooLarge)+len(": \r\n")
		}
		room -= size
		set(name, value)
	}
	k, r := a.Outcome.Key, a.Outcome.Resolved
	remaining, owner := "", ""
	if a.Outcome.Remaining != nil {
		remaining = strconv.FormatInt(*a.Outcome.Remaining, 10)
	}
	if r.Identity != nil {
		owner = escaped(r.Identity.ExternalID)
	}
	add(keyID, k.ID)
	add(keyAPIID, k.APIID)
	add(keyRemaining, remaining)
	add(keyExternalID, owner)
	add(keyOwner, owner)
	add(keyName, escaped(k.Name))
	if !a.question.Full {
		set(keyRoles, "")
		set(keyPerms, "")
		set(keyMeta, "")
		return
	}
	add(keyRoles, list(r.RoleNames()))
	add(keyPerms, list(r.Permissions))
	add(keyMeta, base64.RawURLEncoding.EncodeToString(k.Meta))
}

// refusal calls set with the headers of an answer that refuses.
func (a *Answer) refusal(set func(name, value string)) {
	set(CodeHeader, string(a.Code))
	set("Content-Type", "application/problem+json")
	switch {
	case a.Code == MissingKey:
		set("WWW-Authenticate", Challenge)
	case a.Status == http.StatusUnauthorized:
		set("WWW-Authenticate", Challenge+`, error="invalid_token"`)
	case a.Code == verify.InsufficientPermissions:
		set("WWW-Authenticate", Challenge+`, error="insufficient_scope"`+scope(a.question.Permissions))
	}
	if a.RetryAfter > 0 {
		set("Retry-After", strconv.FormatInt(a.RetryAfter, 10))
	}
}

// Challenge is the WWW-Authenticate of an answer of 401: a key is asked for (RFC 6750, section
// 3).
const Challenge = `Bearer realm="tollgate"`

// scope is the attribute that names the permissions that are asked for, as far as it can
// hold them.
func scope(q verify.Query) string {
	all := strings.Join(q.Permissions(), " ")
	if all == "" || len(all) > maxScope || strings.ContainsFunc(all, notOfScopes) {
		return ""
	}
	return `, scope="` + all + `"`
}

const maxScope = 1024 // bytes

func notOfScopes(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }

// list joins names with commas.
func list(names []string) string {
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		escapeTo(&b, name, notOfLists)
	}
	return b.String()
}

// escaped percent-encodes what a header's value can't hold.
func escaped(text string) string {
	var b strings.Builder
	switch {
	case text == TooLarge:
		return "%21"
	case strings.Trim(text, " ") != text: // those that read a header cut it off
		escapeTo(&b, text, notOfEdges)
	case strings.IndexFunc(text, notOfValues) < 0:
		return text
	default:
		escapeTo(&b, text, notOfValues)
	}
	return b.String()
}

func notOfEdges(r rune) bool { return notOfValues(r) || r == ' ' }

func notOfValues(r rune) bool { return r < ' ' || r > '~' || r == '%' }

// notOfLists are, beside those, what stands between names, and TooLarge.
func notOfLists(r rune) bool { return notOfValues(r) || r == ',' || r == ' ' || r == '!' }

// escapeTo writes text with the bytes of some characters percent-encoded (RFC 3986, section
// 2.1).
func escapeTo(b *strings.Builder, text string, some func(rune) bool) {
	for i := range len(text) {
		if c := text[i]; c >= 0x80 || some(rune(c)) {
			fmt.Fprintf(b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
}
