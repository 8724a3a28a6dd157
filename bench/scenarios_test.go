package bench

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"testing"

	"tollgate/bench/rig"
)

type object = map[string]any

// Limits and balances that no benchmark comes to the end of.
const (
	plenty = 1_000_000_000
	window = 60_000
	month  = 30 * 86_400_000
)

// scenario is a kind of key and how it is verified in one dialect.
type scenario struct {
	name   string
	create object                    // what the key is created with; nil creates none
	ask    object                    // what the verification asks beside the key
	code   string                    // the outcome
	first  bool                      // one verification before: it uses up what there is
	setup  func(*world, *generation) // what the keys refer to
}

// generation is one of Unkey's two APIs.
type generation struct {
	name, create, verify string
	authenticated        bool // verifying takes the root key
	scenarios            []scenario
}

func (g *generation) wantOf(s scenario) rig.Want {
	return rig.Want{Status: http.StatusOK, Text: fmt.Sprintf(`"code":"%s"`, s.code)}
}

var credits = object{"remaining": plenty}

// v1 stores one limit on a key; more come with the request.
var v1 = &generation{
	name: "v1", create: "/v1/keys.createKey", verify: "/v1/keys.verifyKey",
	scenarios: []scenario{
		{name: "plain", create: object{}, code: "VALID"},
		{name: "credits", create: credits, code: "VALID"},
		{name: "credits+1limit", create: limitedV1, code: "VALID"},
		{
			name: "credits+3limits+permissions", code: "VALID",
			create: with(limitedV1, object{"permissions": granted}),
			ask: object{
				"authorization": object{"permissions": object{"and": []any{granted[0], object{"or": []any{granted[1], "other.right"}}}}},
				"ratelimits": []object{
					{"name": "minute", "limit": plenty, "duration": window},
					{"name": "hour", "limit": plenty, "duration": 60 * window},
				},
			},
		},
		{
			name: "identity", create: object{"externalId": "bench-v1"}, code: "VALID",
			ask: object{"ratelimits": []object{{"name": "shared"}}}, setup: identify("bench-v1"),
		},
		{name: "denied/limit", create: object{"ratelimit": object{"limit": 1, "duration": month}}, code: "RATE_LIMITED", first: true},
		{name: "denied/credits", create: with(limitedV1, object{"remaining": 1}), code: "USAGE_EXCEEDED", first: true},
		{name: "notfound", code: "NOT_FOUND"},
	},
}

var v2 = &generation{
	name: "v2", create: "/v2/keys.createKey", verify: "/v2/keys.verifyKey", authenticated: true,
	scenarios: []scenario{
		{name: "plain", create: object{}, code: "VALID"},
		{name: "credits", create: object{"credits": credits}, code: "VALID"},
		{name: "credits+1limit", create: object{"credits": credits, "ratelimits": limitsV2("minute")}, code: "VALID"},
		{
			name: "credits+3limits+permissions", code: "VALID",
			create: object{"credits": credits, "ratelimits": limitsV2("second", "minute", "hour"), "permissions": granted},
			ask:    object{"permissions": granted[0] + " AND (" + granted[1] + " OR other.right)"},
		},
		{name: "identity", create: object{"externalId": "bench-v2"}, code: "VALID", setup: identify("bench-v2")},
		{name: "denied/limit", create: object{"ratelimits": []object{{"name": "month", "limit": 1, "duration": month, "autoApply": true}}}, code: "RATE_LIMITED", first: true},
		{name: "denied/credits", create: object{"credits": object{"remaining": 0}, "ratelimits": limitsV2("minute")}, code: "USAGE_EXCEEDED"},
		{name: "notfound", code: "NOT_FOUND"},
	},
}

var (
	granted   = []string{"documents.read", "documents.write"}
	limitedV1 = with(credits, object{"ratelimit": object{"limit": plenty, "duration": window}})
)

func with(objects ...object) object {
	all := object{}
	for _, o := range objects {
		maps.Copy(all, o)
	}
	return all
}

func limitsV2(names ...string) (limits []object) {
	for i, name := range names {
		limits = append(limits, object{"name": name, "limit": plenty, "duration": (i + 1) * window, "autoApply": true})
	}
	return limits
}

// identify makes an identity with a limit that its keys share.
func identify(externalID string) func(*world, *generation) {
	return func(w *world, g *generation) {
		limit := object{"name": "shared", "limit": plenty, "duration": window}
		if g.name == "v2" {
			limit["autoApply"] = true
		}
		// Where it is there already, from another benchmark's setup, it has the limit.
		_, _, _ = w.gateway.Call("/"+g.name+"/identities.createIdentity", object{"externalId": externalID, "ratelimits": []object{limit}})
	}
}

// spread is how many keys share the load.
func spread() int {
	if smoke() {
		return 8
	}
	return 512
}

// prepare makes n keys and gives the gateway's load and the floor's.
func (w *world) prepare(b *testing.B, g *generation, s scenario, n int) (gateway, floor load) {
	b.Helper()
	if s.setup != nil {
		s.setup(w, g)
	}
	var subjects []string
	var bodies [][]byte
	for range n {
		key := w.key(b, g, s)
		body, err := json.Marshal(with(s.ask, object{"key": key}))
		if err != nil {
			b.Fatal(err)
		}
		subjects, bodies = append(subjects, key), append(bodies, body)
	}
	return w.loads(b, g.verify, g.authenticated, subjects, bodies, g.wantOf(s), s.first)
}

func (w *world) key(b *testing.B, g *generation, s scenario) string {
	b.Helper()
	if s.create == nil {
		return "missing_" + rand.Text()
	}
	made, err := w.gateway.Must(g.create, with(s.create, object{"apiId": w.apiID, "prefix": "bench"}))
	if err != nil {
		b.Fatal(err)
	}
	return made["key"].(string)
}

// loads makes the same requests to both sides. The floor is told what the gateway
// answers to each, so that it writes as much.
func (w *world) loads(b *testing.B, path string, authenticated bool, subjects []string, bodies [][]byte, want rig.Want, first bool) (gateway, floor load) {
	b.Helper()
	gateway, floor = load{w.gateway, nil, want}, load{w.floor, nil, want}
	for i, body := range bodies {
		answer := w.answer(b, path, body, want, first)
		if _, err := w.floor.Do("HSET", "floor:"+subjects[i], "balance", "1", "answer", string(answer)); err != nil {
			b.Fatal(err)
		}
		for _, l := range []*load{&gateway, &floor} {
			root := ""
			if authenticated {
				root = l.side.RootKey
			}
			l.requests = append(l.requests, rig.NewRequest(path, root, body))
		}
	}
	return gateway, floor
}

// answer is what the gateway says to a request, after saying something else to the
// first one where that used up what there was.
func (w *world) answer(b *testing.B, path string, body []byte, want rig.Want, first bool) []byte {
	b.Helper()
	for {
		status, answer, err := w.gateway.Call(path, json.RawMessage(body))
		if err != nil {
			b.Fatal(err)
		}
		err = want.Check(status, answer)
		if err == nil {
			return answer
		}
		if !first {
			b.Fatal(err)
		}
		first = false
	}
}
