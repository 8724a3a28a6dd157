package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"

	"tollgate/keys/audit"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
)

// AnyMethod is the Method of a route that takes every method, also those that HTTP does not
// know.
const AnyMethod = "*"

// Route is a row of the table: what is served where, and who may ask.
type Route struct {
	Method  string   // or AnyMethod
	Path    string   // "/v1/keys.createKey", "/api/setup-keys/{keyId}"
	Name    string   // the operation id
	Needs   any      // the right it takes, as the dialect writes it; printed, otherwise for Authorise
	Also    any      // the rights that some requests take besides, as the dialect writes them
	Public  bool     // neither Admit nor Authorise is asked
	Answers []int    // the statuses that Response is sent with; 200 alone when empty
	Headers []Header // the request headers of its own that it reads

	// Action is what it changes, as the audit log calls it; "" where it changes nothing, or
	// nothing that has an entry.
	Action audit.Name

	Endpoint
	dialect *Dialect
}

// Header describes a request header that a request may have, of at least one character.
type Header struct {
	Name        string
	Description string
	MaxLength   int // characters
}

// Dialect is the one the route was added for.
func (r *Route) Dialect() *Dialect { return r.dialect }

// Router finds the route for a request. It is filled before serving starts.
type Router struct {
	dialects []*Dialect
	fallback *Dialect
	routes   []*Route
	tree     *router.Router
}

// NewRouter makes an empty table. The fallback dialect answers where no prefix
// matches, and where a request is too broken to have one.
func NewRouter(fallback *Dialect, others ...*Dialect) *Router {
	r := &Router{
		dialects: append([]*Dialect{fallback}, others...),
		fallback: fallback,
		tree:     router.New(),
	}
	for _, d := range r.dialects {
		if d.RequestIDHeader != "" {
			d.requestID = canonical(d.RequestIDHeader)
		}
	}
	r.tree.RedirectTrailingSlash = false
	r.tree.RedirectFixedPath = false
	r.tree.HandleOPTIONS = false
	r.tree.NotFound = noRoute
	r.tree.MethodNotAllowed = wrongMethod
	return r
}

// Add puts a dialect's routes into the table. A route of GET answers HEAD as well, with
// the headers of GET and no body. Add panics when a dialect does not own a path, or a
// route is there already: both are mistakes in a table.
func (r *Router) Add(d *Dialect, routes ...Route) {
	for i := range routes {
		row := routes[i]
		row.dialect = d
		if got := owner(row.Path, r.dialects, r.fallback); got != d {
			panic(fmt.Sprintf("web: %s belongs to dialect %s, not %s", row.Path, got.Name, d.Name))
		}
		if row.Serve == nil {
			panic("web: nothing serves " + row.Path)
		}
		r.routes = append(r.routes, &row)
		r.tree.Handle(row.Method, row.Path, row.handle)
		if row.Method == http.MethodGet {
			r.tree.Handle(http.MethodHead, row.Path, row.handle)
		}
	}
}

func (r *Route) handle(ctx *fasthttp.RequestCtx) {
	c := callOf(ctx)
	c.route = r
	if err := r.Serve(c); err != nil {
		c.noteRefusal(err)
		c.fail(err)
	}
}

// Routes returns the table, sorted by path and method.
func (r *Router) Routes() []Route {
	var out []Route
	for _, row := range r.routes {
		out = append(out, *row)
	}
	slices.SortFunc(out, func(a, b Route) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	return out
}

// String prints the table.
func (r *Router) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range r.Routes() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", row.dialect.Name, row.Method, row.Path, row.Name, row.access())
	}
	w.Flush()
	return b.String()
}

func (r *Route) access() string {
	switch {
	case r.Public:
		return "public"
	case r.Needs == nil:
		return "-"
	}
	return fmt.Sprint(r.Needs)
}

func noRoute(ctx *fasthttp.RequestCtx) {
	callOf(ctx).fail(&Fault{http.StatusNotFound, "there is nothing at this path"})
}

// wrongMethod finds in Allow what the router put there, which always has
// OPTIONS; only a dialect with CORS answers that.
func wrongMethod(ctx *fasthttp.RequestCtx) {
	c := callOf(ctx)
	allow := string(ctx.Response.Header.Peek("Allow"))
	if !c.dialect.CORS {
		methods := slices.DeleteFunc(strings.Split(allow, ", "), func(m string) bool { return m == http.MethodOptions })
		allow = strings.Join(methods, ", ")
	}
	ctx.Response.Header.Set("Allow", allow)
	c.fail(&Fault{http.StatusMethodNotAllowed, "this path takes " + allow})
}

// callKey is where a request context keeps its Call.
type callKey struct{}

func callOf(ctx *fasthttp.RequestCtx) *Call { return ctx.UserValue(callKey{}).(*Call) }
