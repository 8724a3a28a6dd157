package middleware

import (
	"context"
	"encoding/json"
	"net/http"

	"tollgate/verify"
	"tollgate/verify/authz"
)

// Identity is whose key was let through. It is not changed. A Tollgate that is asked over HTTP
// sends roles, permissions and metadata only where the question is Full.
type Identity struct {
	KeyID       string
	APIID       string
	Name        string
	ExternalID  string   // whom the key belongs to; "" where that is not said
	Roles       []string // sorted
	Permissions []string // slugs, direct and through roles, sorted
	Meta        json.RawMessage
	Remaining   *int64 // credits that are left; nil where uses are unlimited

	// Omitted names the headers in which a Tollgate had no room for what they say: those
	// fields are empty. It is always empty in process.
	Omitted []string
}

// OfOutcome returns the identity of a valid outcome.
func OfOutcome(o *verify.Outcome) *Identity {
	id := &Identity{
		KeyID: o.Key.ID, APIID: o.Key.APIID, Name: o.Key.Name, Meta: o.Key.Meta,
		Roles: o.Resolved.RoleNames(), Permissions: o.Resolved.Permissions,
	}
	if o.Resolved.Identity != nil {
		id.ExternalID = o.Resolved.Identity.ExternalID
	}
	if o.Remaining != nil {
		left := *o.Remaining // an outcome is large: the identity does not keep it
		id.Remaining = &left
	}
	return id
}

type identityKey struct{}

// IdentityOf returns the identity of a request that came through the middleware; nil for any
// other.
func IdentityOf(ctx context.Context) *Identity {
	id, _ := ctx.Value(identityKey{}).(*Identity)
	return id
}

// withIdentity is the request that the handler sees: with the identity in its context, and
// without what the client wrote into the identity headers.
func withIdentity(r *http.Request, id *Identity) *http.Request {
	r = r.WithContext(context.WithValue(r.Context(), identityKey{}, id))
	r.Header = r.Header.Clone()
	for _, name := range authz.IdentityHeaders() {
		r.Header.Del(name)
	}
	return r
}
