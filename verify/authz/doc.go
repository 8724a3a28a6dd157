// Package authz decides requests that somebody else serves: a proxy asks before it lets one
// through, or a service's own middleware does. It is the one place that says where a key is
// looked for, which HTTP status each outcome has, and which headers go with it. What asks,
// and in which protocol, is not its business: forward-auth, Envoy's ext_authz and the Go
// middleware all answer with what this package says.
//
//	question := &authz.Question{APIID: "api_…"}
//	secret, refused := question.Find(authz.Message{Lines: header.Values})
//	answer := refused
//	if refused == nil {
//		answer = question.Ask(ctx, verifier, authz.Caller{Key: secret})
//	}
//	if answer.Allowed() { … }
//
// # Outcomes
//
//	200  VALID                     the key may be used, and has spent its costs
//	400  SEVERAL_KEYS              two different keys, in one place or in two
//	400  BAD_REQUEST               what the key is looked for in can't be read
//	401  MISSING_KEY               no key
//	401  NOT_FOUND                 no such key, or none that the root key may verify
//	401  DISABLED, EXPIRED
//	403  FORBIDDEN                 a key of another API, or an address that is not allowed
//	403  INSUFFICIENT_PERMISSIONS
//	429  RATE_LIMITED              with Retry-After where waiting helps
//	429  USAGE_EXCEEDED            out of credits; with Retry-After where a refill is due
//	500  MISCONFIGURED             the question, or the root key that asks it, is wrong
//	500  INTERNAL
//	503  UNAVAILABLE               not decided; the use was spent once or not at all
//
// With the profile nginx the two of 429 are 403: its auth_request knows no other refusals
// than 401 and 403. The header X-Tollgate-Code has the code of every refusal.
//
// # Headers of an answer that allows
//
// The nine identity headers are always sent, empty where there is nothing to say, so that a
// proxy which copies them replaces what a client wrote there itself:
//
//	X-Key-Id           the key's id
//	X-Key-Api-Id       its API's
//	X-Key-Remaining    credits that are left; empty where its uses are unlimited
//	X-Key-External-Id  whom it belongs to
//	X-Key-Owner        the same
//	X-Key-Name         its name
//	X-Key-Roles        with commas between, if the question asks for the full identity
//	X-Key-Permissions  the same
//	X-Key-Meta         the same; JSON in base64url (RFC 4648, section 5) without padding
//
// With the profile envoy, X-Envoy-Auth-Headers-To-Remove names the headers of the key beside
// them.
//
// Characters outside of ASCII, control characters and "%" are percent-encoded, in names of
// roles and permissions "," and " " too. Together the nine take at most 3 KiB; a value that
// does not fit, in this order, is "!", which no value is otherwise. RateLimit-Policy and
// RateLimit (draft-ietf-httpapi-ratelimit-headers) tell of the limits that were looked at.
//
// # Answers that refuse
//
// They have a body of problem+json (RFC 9457) with the code, and never tell whose key it is.
// WWW-Authenticate is that of RFC 6750.
package authz
