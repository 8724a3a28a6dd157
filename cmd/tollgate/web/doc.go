// Package web is HTTP that knows no endpoint. It accepts connections, refuses
// what is not clean HTTP, finds the route, decodes, asks who is calling,
// calls, answers and logs. What a path means is a Dialect's business; what a
// decision means is the domain's, of which this package knows only the errors.
//
// # A request's way
//
//	limiter    connections, in all, per address and within the memory for requests
//	fasthttp   reads the headers and the first bytes of a body within its limits of size and time
//	gate       refuses headers that two readers could understand differently
//	Router     finds the Route, or answers 404 or 405
//	readBody   the body, large ones of known callers alone, within the memory for requests
//	Endpoint   Admit, decode, Authorise, the function itself, encode
//	finish     request id, Retry-After, CORS, ?pretty, metrics, log
//
// An error on any of these steps ends in one place, Call.fail, which sorts it
// into a Problem and lets the dialect that owns the path write it down. Requests
// too broken to have a path are answered in the fallback dialect.
//
// # An endpoint
//
// A dialect is a Dialect and a table of Routes. The example of this package is a
// dialect with one endpoint.
//
// # What is logged
//
// At debug level one line a request: method, route, status, duration, bytes and
// request id. At error level each answer of 500 and above, with its hidden
// cause. Never a query string, a header, a body or anything quoted from them:
// fasthttp's own messages are reduced to what kind of thing happened, because
// some quote the bytes they could not parse, and those may be a credential.
package web
