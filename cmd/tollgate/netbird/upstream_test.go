package netbird_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tollgate/cmd/tollgate/netbird"
	"tollgate/keys"
	"tollgate/keys/redisdb/redistest"

	"github.com/redis/go-redis/v9"
)

// seeded is the data of NetBird's own integration test: a valid, a revoked and an
// expired key of the same name, and two groups.
type seeded struct {
	*gate
	valid, revoked, expired string
	group, other            string
	clock                   redistest.Clock
}

func seed(t *testing.T, c redis.UniversalClient, clock redistest.Clock) *seeded {
	t.Helper()
	clock.SetClock(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	s := &seeded{gate: newGate(t, c, netbird.Options{}), clock: clock}
	s.group, s.other = s.gate.group("testGroup"), s.gate.group("newGroup")
	s.expired, _ = s.create(`{"name":"existingKey","type":"reusable","usage_limit":5,"expires_in":60,"ephemeral":true,"auto_groups":["` + s.group + `"]}`)
	clock.Advance(2 * time.Minute)
	s.valid, _ = s.create(`{"name":"existingKey","type":"one-off","auto_groups":["` + s.group + `"],"usage_limit":1}`)
	s.revoked, _ = s.create(`{"name":"existingKey","type":"reusable","usage_limit":3,"auto_groups":["` + s.group + `"]}`)
	s.put(200, s.revoked, `{"revoked":true,"auto_groups":["`+s.group+`"]}`)
	return s
}

func (s *seeded) post(status int, body string) reply {
	s.t.Helper()
	return s.want(status, "POST", "/api/setup-keys", body)
}

func (s *seeded) put(status int, id, body string) reply {
	s.t.Helper()
	return s.want(status, "PUT", "/api/setup-keys/"+id, body)
}

// What NetBird's own tests assert, each as a case. The one that differs is marked:
// a revoked key can be taken back.
func TestWhatNetBirdsTestsAssert(t *testing.T) {
	type members = map[string]any
	never := "0001-01-01T00:00:00Z"
	for name, test := range map[string]func(*testing.T, *seeded){
		"create reusable without groups": func(t *testing.T, s *seeded) {
			s.post(200, `{"name":"new","type":"reusable","expires_in":3600,"auto_groups":null,"usage_limit":0}`).
				has(t, members{"auto_groups": []string{}, "valid": true, "state": "valid", "usage_limit": 0, "used_times": 0, "revoked": false, "last_used": never})
		},
		"create with an existing name": func(t *testing.T, s *seeded) {
			s.post(200, `{"name":"existingKey","type":"one-off","expires_in":3600,"usage_limit":0}`).has(t, members{"usage_limit": 1, "type": "one-off"})
		},
		"create one-off with a limit": func(t *testing.T, s *seeded) {
			s.post(422, `{"name":"n","type":"one-off","expires_in":3600,"usage_limit":3}`)
			s.post(422, `{"name":"n","type":"one-off","usage_limit":5}`)
		},
		"create with a limit": func(t *testing.T, s *seeded) {
			s.post(200, `{"name":"n","type":"reusable","usage_limit":5}`).has(t, members{"usage_limit": 5})
		},
		"create expired": func(t *testing.T, s *seeded) {
			s.post(422, `{"name":"n","type":"one-off","expires_in":-3600,"usage_limit":1}`)
		},
		"create with a group": func(t *testing.T, s *seeded) {
			s.post(200, `{"name":"n","type":"reusable","expires_in":3600,"auto_groups":["`+s.group+`"],"usage_limit":1}`).
				has(t, members{"auto_groups": []string{s.group}, "usage_limit": 1})
		},
		"create ephemeral": func(t *testing.T, s *seeded) {
			s.post(200, `{"name":"n","type":"reusable","expires_in":3600,"ephemeral":true,"usage_limit":1}`).has(t, members{"ephemeral": true})
		},
		"create with an unknown group": func(t *testing.T, s *seeded) {
			s.post(422, `{"name":"n","type":"reusable","expires_in":3600,"auto_groups":["unknownGroup"],"usage_limit":1}`)
		},
		"create with All": func(t *testing.T, s *seeded) {
			all := s.want(200, "GET", "/api/groups", "").list[0]
			s.post(422, `{"name":"n","type":"reusable","auto_groups":["`+all["id"].(string)+`"]}`)
			s.put(422, s.valid, `{"auto_groups":["`+all["id"].(string)+`"]}`)
		},
		"add a group": func(t *testing.T, s *seeded) {
			s.clock.Advance(time.Minute)
			now := s.clock.Now()
			r := s.put(200, s.valid, `{"revoked":false,"auto_groups":["`+s.group+`","`+s.other+`"]}`)
			r.has(t, members{"auto_groups": []string{s.group, s.other}, "valid": true, "name": "existingKey"})
			updated, err := time.Parse(time.RFC3339Nano, r.body["updated_at"].(string))
			if err != nil || updated.Sub(now).Abs() > 5*time.Second || !strings.HasSuffix(r.body["updated_at"].(string), "Z") {
				t.Errorf("updated at %v, %v, now it is %v", updated, err, now)
			}
		},
		"unknown group": func(t *testing.T, s *seeded) { s.put(422, s.valid, `{"revoked":false,"auto_groups":["unknownGroup"]}`) },
		"unknown key": func(t *testing.T, s *seeded) {
			s.put(404, "unknownKey", `{"revoked":false,"auto_groups":["`+s.group+`"]}`)
		},
		"unknown key, []": func(t *testing.T, s *seeded) { s.put(404, "unknownKey", `{"revoked":false,"auto_groups":[]}`) },
		"no groups at all": func(t *testing.T, s *seeded) {
			s.put(200, s.valid, `{"revoked":false,"auto_groups":[]}`).has(t, members{"auto_groups": []string{}})
		},
		"revoke valid": func(t *testing.T, s *seeded) {
			s.put(200, s.valid, `{"revoked":true,"auto_groups":[]}`).has(t, members{"state": "revoked", "valid": false, "revoked": true})
		},
		"revoke revoked": func(t *testing.T, s *seeded) {
			s.put(200, s.revoked, `{"revoked":true,"auto_groups":[]}`).has(t, members{"state": "revoked", "valid": false, "revoked": true})
		},
		"un-revoke, which differs": func(t *testing.T, s *seeded) {
			s.put(200, s.revoked, `{"revoked":false,"auto_groups":[]}`).has(t, members{"state": "valid", "valid": true, "revoked": false})
		},
		"revoke expired": func(t *testing.T, s *seeded) {
			s.put(200, s.expired, `{"revoked":true,"auto_groups":[]}`).has(t, members{"state": "expired", "valid": false, "revoked": true})
		},
		"get": func(t *testing.T, s *seeded) {
			get := func(id string) reply { return s.want(200, "GET", "/api/setup-keys/"+id, "") }
			get(s.valid).has(t, members{"state": "valid", "usage_limit": 1, "type": "one-off", "expires": never})
			get(s.revoked).has(t, members{"state": "revoked", "usage_limit": 3, "revoked": true})
			get(s.expired).has(t, members{"state": "expired", "usage_limit": 5, "revoked": false, "ephemeral": true})
			s.want(404, "GET", "/api/setup-keys/unknownKey", "")
		},
		"list": func(t *testing.T, s *seeded) {
			var states []string
			for _, k := range s.want(200, "GET", "/api/setup-keys", "").list {
				states = append(states, k["state"].(string))
			}
			if strings.Join(states, " ") != "expired valid revoked" {
				t.Errorf("%v", states)
			}
		},
		"delete": func(t *testing.T, s *seeded) {
			for _, id := range []string{s.valid, s.expired, s.revoked} {
				if r := s.want(200, "DELETE", "/api/setup-keys/"+id, ""); r.raw != "{}" {
					t.Error(r.raw)
				}
				s.want(404, "DELETE", "/api/setup-keys/"+id, "")
			}
			s.want(404, "DELETE", "/api/setup-keys/unknownKey", "")
		},
		"the secret": func(t *testing.T, s *seeded) {
			_, key := s.create(`{"name":"n","type":"reusable"}`)
			if digest := keys.NewSecret("EEFDAB47-C1A5-4472-8C05-71DE9A1E8382").Digest().String(); digest != "9+FQcmNd2GCxIK+SvHmtp6PPGV4MKEicDS+xuSQmvlE=" {
				t.Error(digest)
			}
			for _, k := range s.want(200, "GET", "/api/setup-keys", "").list {
				if shown := k["key"].(string); len(shown) != 9 || !strings.HasSuffix(shown, "****") || shown[:5] == key[5:10] {
					t.Error(shown)
				}
			}
		},
		"enrol": func(t *testing.T, s *seeded) {
			id, key := s.create(`{"name":"n","type":"reusable","auto_groups":["` + s.group + `"]}`)
			before := s.want(200, "GET", "/api/setup-keys/"+id, "")
			s.clock.Advance(time.Minute)
			s.want(200, "POST", "/api/setup-keys/redeem", `{"key":"`+strings.ToLower(key)+`","peer":"p"}`).
				has(t, members{"id": id, "auto_groups": []string{s.group}, "used_times": 1, "usage_limit": 0})
			after := s.want(200, "GET", "/api/setup-keys/"+id, "")
			after.has(t, members{"used_times": 1, "updated_at": before.body["updated_at"], "state": "valid"})
			if after.body["last_used"] == never || after.body["last_used"] == after.body["updated_at"] {
				t.Error(after.raw)
			}
			if got := s.want(412, "POST", "/api/setup-keys/redeem", `{"key":"`+key+`","peer":"q","extra_dns_labels":["web"]}`).message(); got !=
				"couldn't add peer: setup key doesn't allow extra dns labels" {
				t.Error(got)
			}
			if got := s.want(404, "POST", "/api/setup-keys/redeem", `{"key":"unknown","peer":"q"}`).message(); got != "couldn't add peer: setup key is invalid" {
				t.Error(got)
			}
		},
		"a group that a key has": func(t *testing.T, s *seeded) {
			if got := s.want(400, "DELETE", "/api/groups/"+s.group, "").message(); got != "group has been linked to setup key: existingkey" {
				t.Error(got)
			}
			s.put(200, s.valid, `{"revoked":true,"auto_groups":["`+s.group+`"]}`)
			s.want(200, "DELETE", "/api/groups/"+s.group, "")
			for _, id := range []string{s.valid, s.revoked, s.expired} {
				s.want(200, "GET", "/api/setup-keys/"+id, "").has(t, members{"auto_groups": []string{}})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			redistest.EachWithClock(t, func(t *testing.T, c redis.UniversalClient, clock redistest.Clock) { test(t, seed(t, c, clock)) })
		})
	}
}

// 300 peers at once on one key, each of which asks until it is answered: 300 uses,
// each told once.
func TestManyPeersAtOnce(t *testing.T) {
	g := newGate(t, redistest.Empty(t), netbird.Options{})
	id, key := g.create(`{"name":"n","type":"reusable"}`)
	uses := make(chan float64, 300)
	for i := range 300 {
		go func() {
			r := g.do("POST", "/api/setup-keys/redeem", fmt.Sprintf(`{"key":"%s","peer":"peer %d"}`, key, i))
			used, _ := r.body["used_times"].(float64)
			uses <- used
		}()
	}
	seen := map[float64]bool{}
	for range 300 {
		seen[<-uses] = true
	}
	if len(seen) != 300 || seen[0] || !seen[300] {
		t.Errorf("%d different uses", len(seen))
	}
	g.want(200, "GET", "/api/setup-keys/"+id, "").has(t, map[string]any{"used_times": 300, "state": "valid"})
	r := g.want(200, "GET", "/api/setup-keys/"+id+"/redemptions?page=3&page_size=140", "")
	if r.has(t, map[string]any{"total_records": 300, "total_pages": 3}); len(r.body["data"].([]any)) != 20 {
		t.Errorf("%.300s", r.raw)
	}
}
