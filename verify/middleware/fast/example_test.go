package fast_test

import (
	"fmt"

	"tollgate/keys"
	"tollgate/verify/authz"
	"tollgate/verify/middleware"
	"tollgate/verify/middleware/fast"

	"github.com/valyala/fasthttp"
)

// A fasthttp service asks a Tollgate; what it can't ask lets nobody through.
func ExampleNew() {
	decider, err := middleware.Remote(middleware.RemoteOptions{URL: "http://127.0.0.1:1", RootKey: keys.NewSecret("the root key")})
	if err != nil {
		fmt.Println(err)
		return
	}
	protect, err := fast.New(&authz.Question{APIID: "api_1"}, decider, fast.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	orders := protect(func(ctx *fasthttp.RequestCtx) {
		fmt.Fprintf(ctx, "hello, %s", fast.IdentityOf(ctx).Name)
	})

	var ctx fasthttp.RequestCtx
	ctx.Request.SetRequestURI("/orders")
	orders(&ctx)
	fmt.Println(ctx.Response.StatusCode(), string(ctx.Response.Header.Peek("X-Tollgate-Code")))

	ctx.Request.Header.Set("X-API-Key", "a key")
	ctx.Response.Reset()
	orders(&ctx)
	fmt.Println(ctx.Response.StatusCode(), string(ctx.Response.Header.Peek("X-Tollgate-Code")))
	// Output:
	// 401 MISSING_KEY
	// 503 UNAVAILABLE
}
