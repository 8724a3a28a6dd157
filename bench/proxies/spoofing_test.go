package proxies

import (
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"tollgate/verify/authz"
)

// The application gets the identity that Tollgate says, and nothing of the key.
func TestIdentity(t *testing.T) {
	const name, owner = "a näme, 100%", "user_1"
	each(t, func(t *testing.T, p *proxy) {
		p.each(t, func(t *testing.T, s *site) {
			k := newKey(t, object{
				"name": name, "externalId": owner, "credits": object{"remaining": 8},
				"meta": object{"plan": "pro"}, "permissions": []string{"orders.read", "orders.write"},
			})
			call(t, "/v2/keys.setRoles", object{"keyId": k.id, "roles": []string{role(t)}})
			want := map[string]string{
				"X-Key-Id": k.id, "X-Key-Api-Id": world.api, "X-Key-Remaining": "7",
				"X-Key-External-Id": owner, "X-Key-Owner": owner, "X-Key-Name": "a n%C3%A4me, 100%25",
				"X-Key-Roles": role(t), "X-Key-Permissions": "orders.read,orders.write",
				"X-Key-Meta": base64.RawURLEncoding.EncodeToString([]byte(`{"plan":"pro"}`)),
			}
			saw := s.admitted(k, s.use(k))
			for _, header := range authz.IdentityHeaders() {
				if got := saw.Header.Values(header); len(got) != 1 || got[0] != want[header] {
					t.Errorf("%s is %q, want %q", header, got, want[header])
				}
			}
			if len(want) != len(authz.IdentityHeaders()) {
				t.Errorf("%d headers are checked, of %d", len(want), len(authz.IdentityHeaders()))
			}
			for _, header := range []string{"Authorization", "X-Api-Key", "X-Tollgate-Root-Key"} {
				if got, there := saw.Header[header]; there {
					t.Errorf("the application sees %s: %q", header, got)
				}
			}
		})
	})
}

// role makes a role, and returns its name.
func role(t *testing.T) string {
	t.Helper()
	const name = "reader"
	if world.role == "" {
		call(t, "/v2/permissions.createRole", object{"name": name})
		world.role = name
	}
	return world.role
}

// spoofed stands in every header that a client writes to be taken for somebody else.
const spoofed = "spoofed"

// lies are headers that a client must not be believed.
func (p *proxy) lies() []string {
	names := append(authz.IdentityHeaders(), "X-Tollgate-Root-Key",
		"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Method", "X-Forwarded-Proto", "X-Forwarded-Uri", "Forwarded",
		"X-Real-Ip", "X-Original-Uri", "X-Original-Url", "X-Original-Method", "X-Envoy-Original-Path")
	if !p.lenient {
		names = append(names, "X_Key_Id", "X-Key_Owner", "X_Key-Roles", "X-Key-Api_Id")
	}
	var headers []string
	for _, name := range names {
		headers = append(headers, name, spoofed, name, spoofed+"-again")
	}
	return headers
}

// What a client writes into the headers of Tollgate and of proxies reaches nobody.
func TestSpoofedHeadersReachNobody(t *testing.T) {
	each(t, func(t *testing.T, p *proxy) {
		p.each(t, func(t *testing.T, s *site) {
			k := newKey(t, nil)
			saw := s.admitted(k, s.use(k, p.lies()...))
			for _, name := range slices.Sorted(maps.Keys(saw.Header)) {
				if strings.Contains(strings.Join(saw.Header[name], " "), spoofed) {
					t.Errorf("the application sees %s: %q", name, saw.Header[name])
				}
			}
			if got := saw.Header.Values("X-Key-Id"); len(got) != 1 || got[0] != k.id {
				t.Errorf("X-Key-Id is %q", got)
			}
			if got := saw.Header.Values("X-Forwarded-For"); len(got) != 1 || got[0] != "127.0.0.1" {
				t.Errorf("X-Forwarded-For is %q", got)
			}
			s.untouched(func() { s.refused(s.get(target, p.lies()...), http.StatusUnauthorized, "MISSING_KEY") })
		})
	})
}

// A client that has the identity taken out as a header of its connection is not let through
// without one.
func TestIdentityIsNoHeaderOfTheConnection(t *testing.T) {
	each(t, func(t *testing.T, p *proxy) {
		s := open(t, p, policy)
		k := newKey(t, nil)
		a := s.use(k, "Connection", "keep-alive, X-Key-Id, x-key-owner, X-Forwarded-For")
		if a.seen == nil && a.status == http.StatusBadRequest {
			return
		}
		if got := s.admitted(k, a).Header.Values("X-Key-Id"); len(got) != 1 || got[0] != k.id {
			t.Errorf("the application sees X-Key-Id %q", got)
		}
	})
}

// What is asked is not the client's to choose.
func TestTheQuestionIsNotTheClients(t *testing.T) {
	each(t, func(t *testing.T, p *proxy) {
		p.each(t, func(t *testing.T, s *site) {
			k := newKey(t, credits(5))
			path := target + "?cost=0&apiId=*&permissions=&profile=envoy"
			if saw := s.admitted(k, s.get(path, "Authorization", "Bearer "+k.secret)); saw.URI != path {
				t.Errorf("the application sees %s", saw.URI)
			}
			if left := k.left(t); left != 4 {
				t.Errorf("%d of 5 uses are left", left)
			}
			other := newKey(t, object{"apiId": world.otherAPI})
			s.untouched(func() {
				s.refused(s.get(path, "Authorization", "Bearer "+other.secret), http.StatusForbidden, "FORBIDDEN")
			})
		})
	})
}

// A proxy that has no root key does not ask with the client's.
func TestTheRootKeyIsNotTheClients(t *testing.T) {
	each(t, func(t *testing.T, p *proxy) {
		if !slices.ContainsFunc(p.asks, func(q question) bool { return q.rootKey != nil }) {
			return // it has no way to ask with one
		}
		s := open(t, p, question{name: "no root key", text: query.text})
		s.untouched(func() {
			a := s.use(newKey(t, nil), "X-Tollgate-Root-Key", world.rootKey)
			if a.status < 500 {
				t.Errorf("want a failure, got %s", a)
			}
		})
	})
}

// Where an API's keys may be used is decided by the address that the proxy sees.
func TestSpoofedAddress(t *testing.T) {
	from := func(address string) []string {
		return []string{"X-Forwarded-For", address, "X-Real-Ip", address, "Forwarded", "for=" + address}
	}
	each(t, func(t *testing.T, p *proxy) {
		far := newKey(t, object{"apiId": world.farAPI})
		s := open(t, p, named("far"))
		s.untouched(func() {
			s.refused(s.use(far), http.StatusForbidden, "FORBIDDEN")
			s.refused(s.use(far, from(farAddress)...), http.StatusForbidden, "FORBIDDEN")
		})
		near := newKey(t, object{"apiId": world.nearAPI})
		s = open(t, p, named("near"))
		s.admitted(near, s.use(near))
		s.admitted(near, s.use(near, from(farAddress)...))
	})
}

// A policy that looks for the key in the query reads the one that the client asked for.
func TestSpoofedURI(t *testing.T) {
	headers := []string{"X-Original-Uri", "X-Original-Url", "X-Forwarded-Uri", "X-Envoy-Original-Path"}
	each(t, func(t *testing.T, p *proxy) {
		s := open(t, p, named("by-query"))
		k := newKey(t, nil)
		withKey := target + "?api_key=" + k.secret
		for _, header := range headers {
			s.untouched(func() { s.refused(s.get(target, header, withKey), http.StatusUnauthorized, "MISSING_KEY") })
			if a := s.get(withKey, header, target+"?api_key=another"); a.seen == nil {
				t.Errorf("with %s: %s", header, a)
			}
		}
	})
}
