package rig

import (
	"fmt"
	"maps"
	"net/http"
)

// Object is a JSON object.
type Object = map[string]any

// Limits and balances that no measurement comes to the end of.
const (
	Plenty = 1_000_000_000
	Window = 60_000
	month  = 30 * 86_400_000
)

// Scenario is a kind of key and how it is verified in one dialect.
type Scenario struct {
	Name   string
	create Object // what the key is created with; nil creates none
	ask    Object // what the verification asks beside the key
	code   string // the outcome
	first  bool   // a verification before uses up what there is
	Setup  string // the endpoint that makes the identity; "" for none
	setup  Object // and what it is sent
}

// Generation is one of Unkey's two APIs.
type Generation struct {
	Name, Create, Verify string
	authenticated        bool // verifying takes the root key
	Scenarios            []Scenario
}

// Scenario finds one by its name.
func (g *Generation) Scenario(name string) (Scenario, error) {
	for _, s := range g.Scenarios {
		if s.Name == name {
			return s, nil
		}
	}
	return Scenario{}, fmt.Errorf("%s has no scenario %q", g.Name, name)
}

func (s Scenario) want() Want {
	return Want{Status: http.StatusOK, Text: fmt.Sprintf(`"code":"%s"`, s.code)}
}

var (
	credits   = Object{"remaining": Plenty}
	granted   = []string{"documents.read", "documents.write"}
	limitedV1 = With(credits, Object{"ratelimit": Object{"limit": Plenty, "duration": Window}})
)

// LimitedV1 is what a key with credits and a limit is created with in v1.
func LimitedV1() Object { return maps.Clone(limitedV1) }

// Generations are both.
var Generations = []*Generation{V1, V2}

// V1 stores one limit on a key; more come with the request.
var V1 = &Generation{
	Name: "v1", Create: "/v1/keys.createKey", Verify: "/v1/keys.verifyKey",
	Scenarios: []Scenario{
		{Name: "plain", create: Object{}, code: "VALID"},
		{Name: "credits", create: credits, code: "VALID"},
		{Name: "credits+1limit", create: limitedV1, code: "VALID"},
		{
			Name: "credits+3limits+permissions", code: "VALID",
			create: With(limitedV1, Object{"permissions": granted}),
			ask: Object{
				"authorization": Object{"permissions": Object{"and": []any{granted[0], Object{"or": []any{granted[1], "other.right"}}}}},
				"ratelimits": []Object{
					{"name": "minute", "limit": Plenty, "duration": Window},
					{"name": "hour", "limit": Plenty, "duration": 60 * Window},
				},
			},
		},
		{
			Name: "identity", create: Object{"externalId": "bench-v1"}, code: "VALID", ask: Object{"ratelimits": []Object{{"name": "shared"}}},
			Setup: "/v1/identities.createIdentity",
			setup: Object{"externalId": "bench-v1", "ratelimits": []Object{{"name": "shared", "limit": Plenty, "duration": Window}}},
		},
		{Name: "denied-limit", create: Object{"ratelimit": Object{"limit": 1, "duration": month}}, code: "RATE_LIMITED", first: true},
		{Name: "denied-credits", create: With(limitedV1, Object{"remaining": 1}), code: "USAGE_EXCEEDED", first: true},
		{Name: "notfound", code: "NOT_FOUND"},
	},
}

// V2 stores all of them, and asks with the root key.
var V2 = &Generation{
	Name: "v2", Create: "/v2/keys.createKey", Verify: "/v2/keys.verifyKey", authenticated: true,
	Scenarios: []Scenario{
		{Name: "plain", create: Object{}, code: "VALID"},
		{Name: "credits", create: Object{"credits": credits}, code: "VALID"},
		{Name: "credits+1limit", create: Object{"credits": credits, "ratelimits": limitsV2("minute")}, code: "VALID"},
		{
			Name: "credits+3limits+permissions", code: "VALID",
			create: Object{"credits": credits, "ratelimits": limitsV2("second", "minute", "hour"), "permissions": granted},
			ask:    Object{"permissions": granted[0] + " AND (" + granted[1] + " OR other.right)"},
		},
		{
			Name: "identity", create: Object{"externalId": "bench-v2"}, code: "VALID",
			Setup: "/v2/identities.createIdentity", setup: Object{"externalId": "bench-v2", "ratelimits": limitsV2("shared")},
		},
		{
			Name: "denied-limit", code: "RATE_LIMITED", first: true,
			create: Object{"ratelimits": []Object{{"name": "month", "limit": 1, "duration": month, "autoApply": true}}},
		},
		{Name: "denied-credits", create: Object{"credits": Object{"remaining": 0}, "ratelimits": limitsV2("minute")}, code: "USAGE_EXCEEDED"},
		{Name: "notfound", code: "NOT_FOUND"},
	},
}

// With joins objects; of two members with one name the later one counts.
func With(objects ...Object) Object {
	all := Object{}
	for _, o := range objects {
		maps.Copy(all, o)
	}
	return all
}

func limitsV2(names ...string) (limits []Object) {
	for i, name := range names {
		limits = append(limits, Object{"name": name, "limit": Plenty, "duration": (i + 1) * Window, "autoApply": true})
	}
	return limits
}
