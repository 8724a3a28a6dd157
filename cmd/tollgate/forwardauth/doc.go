// Package forwardauth answers proxies that ask over HTTP whether a request may go on, and
// decide by the status: nginx's auth_request, Caddy's forward_auth, Traefik's forwardAuth,
// HAProxy's Lua, Envoy's ext_authz over HTTP. It maps names and shapes, and decides nothing:
// the answers are those of package verify/authz.
//
// What is asked of the key comes from the proxy in one of two ways, and never from the
// client:
//
//   - The path is /forward-auth and nothing more. The query is the question, and the proxy
//     sends a root key in X-Tollgate-Root-Key. This is for proxies that call a URL of their
//     own, and can set a header.
//   - The path begins with /forward-auth/NAME. The policy of that name is the question, and
//     has the root key. What follows in the path, and the query, are the client's: proxies
//     that append them to what they call can't change what is asked. So is the header
//     X-Tollgate-Root-Key. None of them is read.
//
// Every method is answered alike, and bodies are not read.
package forwardauth
