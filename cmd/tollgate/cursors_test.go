package main

import (
	"net/http"
	"strings"
	"testing"

	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
)

// lists are the prefixes of the ids in the list of each route that takes a cursor.
var lists = map[string]string{
	"/v1/apis.listKeys": "key", "/v1/identities.listIdentities": "id", "/v1/ratelimits.listOverrides": "rlor",
	"/v2/apis.listKeys": "key", "/v2/identities.listIdentities": "id", "/v2/ratelimit.listOverrides": "rlor",
	"/v2/permissions.listPermissions": "perm", "/v2/permissions.listRoles": "role",
}

// withCursor is the visit of a list from a cursor on.
func withCursor(method, with, cursor string) string {
	if method == http.MethodGet {
		return strings.TrimPrefix(with+"&cursor="+cursor, "&")
	}
	with = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(with), "{"), "}")
	return "{" + strings.TrimPrefix(with+`,"cursor":"`+cursor+`"`, ",") + "}"
}

// A cursor that can't be an id of the list is refused, by every list, and the answer names
// the member; one that has the form of its ids goes on at its place.
func TestCursorsThatCannotBeAreRefused(t *testing.T) {
	w := newTown(t)
	root := w.root(w.ws, keys.Everything)
	const body = "_1zzzzzzzzzzzzzzzz"
	seen := 0
	for _, r := range unkeyRoutes() {
		takes := false
		members(r.Request, func(name string, _ schema.Description) { takes = takes || name == "cursor" })
		if !takes {
			continue
		}
		if r.Path == "/v2/audit.listEntries" {
			continue // its ids have another form: unkeyv2's exchanges show what it refuses
		}
		prefix, ok := lists[r.Path]
		if !ok {
			t.Errorf("%s takes a cursor and is not here", r.Path)
			continue
		}
		seen++
		ask := func(cursor string) (int, string) {
			return w.ask(r, visit{with: withCursor(r.Method, visits[r.Method+" "+r.Path].with, cursor)}, root)
		}
		for _, bad := range []string{"zzz", "peer" + body, prefix, prefix + "_", prefix + body[:17], prefix + body + "1", prefix + "_0" + body[2:], strings.ToUpper(prefix) + body, "-", "("} {
			if status, answer := ask(bad); status != http.StatusBadRequest || !strings.Contains(answer, "cursor") {
				t.Errorf("%s from %q: %d %s", r.Path, bad, status, answer)
			}
		}
		if status, answer := ask(prefix + body); status != http.StatusOK {
			t.Errorf("%s from an id that nothing has: %d %s", r.Path, status, answer)
		}
	}
	if seen != len(lists) {
		t.Errorf("%d lists take a cursor, %d are here", seen, len(lists))
	}
}
