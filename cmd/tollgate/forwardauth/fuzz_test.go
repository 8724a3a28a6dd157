package forwardauth_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/cmd/tollgate/policies"
	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"
	"tollgate/verify/authz"
)

// Whatever a proxy or a client writes, a request without the key is never let through, and is
// answered with a status of the table.
func FuzzForwardAuth(f *testing.F) {
	set := policies.Policies{}
	w := newWorld(f, redistest.Shared(f).Client(), patience, set)
	key := w.key(keys.KeyDraft{}).Secret.Reveal()
	sources := []authz.Source{{Bearer: true}, {Header: "X-API-Key"}, {Cookie: "key"}, {Query: "key"}}
	set["p"] = &policies.Policy{Question: &authz.Question{APIID: "*", Sources: sources}, RootKey: keys.NewSecret(w.root)}
	f.Add("?apiId=*&permissions=a&cost=0&ratelimit=x:1&tag=t&profile=nginx&identity=full", "Authorization: Bearer nobody")
	f.Add("/p/a?b=c", "Cookie: key=nobody; a=b\r\nX-Forwarded-Uri: /?key=nobody")
	f.Add("/p", "X-API-Key: \r\nX-Original-Uri: /?key=%zz\r\nContent-Encoding: gzip\r\nContent-Length: 0")
	f.Add("/p/", "Expect: 100-continue\r\nTransfer-Encoding: chunked")
	statuses := []int{400, 401, 403, 404, 408, 413, 414, 429, 431, 500, 501}
	f.Fuzz(func(t *testing.T, path, lines string) {
		if strings.Contains(lines, key) || strings.ContainsAny(path, " \r\n") {
			t.Skip()
		}
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
		if _, err := fmt.Fprintf(conn, "GET /forward-auth%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Tollgate-Root-Key: %s\r\n%s\r\n\r\n", path, w.root, lines); err != nil {
			return
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return // it waits for the rest of a body, or has hung up
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusContinue && !slices.Contains(statuses, res.StatusCode) {
			t.Errorf("%q with %q is answered %s", path, lines, res.Status)
		}
	})
}
