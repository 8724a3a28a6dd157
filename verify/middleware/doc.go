// Package middleware protects an http.Handler: a request reaches it only with a key that may
// be used now, and has spent its costs.
//
//	question := &authz.Question{APIID: "api_…"}
//	protect, err := middleware.New(question, middleware.InProcess(verifier), middleware.Options{})
//	http.Handle("/orders/", protect(orders))
//
// The handler asks who it is:
//
//	identity := middleware.IdentityOf(r.Context())
//
// A key is verified in this process, on the Redis of a Tollgate (InProcess), or by a Tollgate
// over HTTP (Remote). Refusals are those of /forward-auth, with the same statuses, headers and
// bodies: package authz has the table.
//
// Whatever a client writes into the identity headers is taken out of the request. A request is
// asked about once: where the answer is lost, it is 503, and the use was spent once or not at
// all.
//
// Package fast is the same for github.com/valyala/fasthttp.
package middleware
