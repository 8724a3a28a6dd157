package middleware

import (
	"context"
	"net/http"
	"net/netip"

	"tollgate/keys"
	"tollgate/verify/authz"
)

// Decider decides about a key that a client sent. InProcess and Remote return one.
type Decider interface {
	// Decide asks a question about a key. There is always a Decision.
	Decide(ctx context.Context, q *authz.Question, c Client) Decision
}

// Client is who sent a key.
type Client struct {
	Key     keys.Secret
	Address netip.Addr // the zero Addr where it is unknown
}

// Decision is what became of a request.
type Decision struct {
	Status   int                            // of HTTP; 200 where it may go on
	Headers  func(set func(name, v string)) // for the client
	Body     []byte                         // of an answer that refuses
	Identity *Identity                      // nil where it is refused
}

// Allowed reports whether the request may go on.
func (d *Decision) Allowed() bool { return d.Status == http.StatusOK && d.Identity != nil }

// Refusal returns the status of a request that is refused: 500 where the Decision has none
// that is one.
func (d *Decision) Refusal() int {
	if d.Status < http.StatusBadRequest {
		return http.StatusInternalServerError
	}
	return d.Status
}

// Refused is the Decision of an answer that refuses.
func Refused(a *authz.Answer) Decision {
	return Decision{Status: a.Status, Headers: a.ClientHeaders, Body: a.Body()}
}

// Options of the middleware. The zero value works.
type Options struct {
	// Address returns the address of a client, for APIs that allow some alone; nil takes the
	// other end of the connection. Behind a proxy it must believe headers of that proxy alone.
	Address func(*http.Request) netip.Addr
}

// New returns what protects a handler. Its error is an *authz.QuestionError: a question that
// can't be asked.
func New(q *authz.Question, decider Decider, o Options) (protect func(http.Handler) http.Handler, err error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	if o.Address == nil {
		o.Address = peer
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			decision := decide(r, q, decider, o)
			write(w, &decision)
			if decision.Allowed() {
				next.ServeHTTP(w, withIdentity(r, decision.Identity))
			}
		})
	}, nil
}

// decide asks about the key of a request.
func decide(r *http.Request, q *authz.Question, decider Decider, o Options) Decision {
	key, answer := q.Find(authz.Message{Lines: r.Header.Values, URI: r.RequestURI})
	if answer != nil {
		return Refused(answer)
	}
	return decider.Decide(r.Context(), q, Client{key, o.Address(r)})
}

// write sets the headers, and sends an answer that refuses.
func write(w http.ResponseWriter, d *Decision) {
	if d.Headers != nil {
		d.Headers(w.Header().Set)
	}
	if d.Allowed() {
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(d.Refusal())
	_, _ = w.Write(d.Body) // the client may be gone
}

// peer is the address of the other end of the connection.
func peer(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}
