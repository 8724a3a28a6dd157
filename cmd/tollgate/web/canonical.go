package web

import "github.com/valyala/fasthttp"

// Headers of the hot path as they are sent: fasthttp writes a name in its own letter case, which
// takes longer than to copy it.
var (
	rateLimitPolicy = canonical("RateLimit-Policy")
	rateLimit       = canonical("RateLimit")
	cacheControl    = canonical("Cache-Control")
	noStore         = []byte("no-store")
	allowedOrigin   = canonical("Access-Control-Allow-Origin")
	anyOrigin       = []byte("*")
	exposedHeaders  = canonical("Access-Control-Expose-Headers")
)

// canonical returns a header's name as fasthttp writes it.
func canonical(name string) []byte { return fasthttp.AppendNormalizedHeaderKey(nil, name) }
