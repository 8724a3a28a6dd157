package unkeyv1go

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tollgate/bench/conformance/suite"

	"github.com/unkeyed/unkey-go/models/components"
	"github.com/unkeyed/unkey-go/models/operations"
)

type verification = components.V1KeysVerifyKeyRequest

func TestAValidAnswerShowsEveryField(t *testing.T) {
	c, duration := newClient(t), quietWindow()
	draft := fullKey(c, duration)
	id, key := c.createKey(draft)
	c.wantCode(components.CodeValid, verification{Key: key, APIID: &draft.APIID})
	body := c.body()
	fields(t, body, map[string]any{
		"keyId": id, "valid": true, "code": "VALID", "name": "every field", "ownerId": "user_7", "meta": draft.Meta,
		"expires": *draft.Expires, "remaining": 999, "enabled": true, "environment": "test",
		"permissions": []string{"docs.read", "docs.write"}, "roles": []string{"admin", "writer"},
		"ratelimit": map[string]any{"limit": 10, "remaining": 9, "reset": windowEnd(duration)},
	})
	identity, _ := body["identity"].(map[string]any)
	fields(t, identity, map[string]any{"externalId": "user_7", "meta": map[string]any{}})
	c.wantRequestID(body["requestId"])
}

// TestVerifyingNeedsNoRootKey is v1's rule: the key itself is the credential.
func TestVerifyingNeedsNoRootKey(t *testing.T) {
	_, key := newClient(t).createKey(operations.CreateKeyRequestBody{})
	res, err := http.Post(suite.Server.URL+"/v1/keys.verifyKey", "application/json", strings.NewReader(`{"key":"`+key+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || res.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("status %d, CORS %q", res.StatusCode, res.Header.Get("Access-Control-Allow-Origin"))
	}
}

func TestAnUnknownKeyIsNotFound(t *testing.T) {
	c := newClient(t)
	c.wantCode(components.CodeNotFound, verification{Key: "live_doesnotexist"})
	if body := c.body(); len(body) != 3 {
		t.Errorf("NOT_FOUND shows valid, code and requestId and nothing else, got %s", c.last.body)
	}
}

func TestAKeyOfAnotherAPIIsForbidden(t *testing.T) {
	c := newClient(t)
	_, key := c.createKey(operations.CreateKeyRequestBody{})
	c.wantCode(components.CodeForbidden, verification{Key: key, APIID: p(c.createAPI())})
}

func TestADisabledKey(t *testing.T) {
	c := newClient(t)
	id, key := c.createKey(operations.CreateKeyRequestBody{Enabled: p(false)})
	c.wantCode(components.CodeDisabled, verification{Key: key})
	fields(t, c.body(), map[string]any{"keyId": id, "enabled": false})
	c.update(operations.UpdateKeyRequestBody{KeyID: id, Enabled: p(true)})
	c.wantCode(components.CodeValid, verification{Key: key})
	c.update(operations.UpdateKeyRequestBody{KeyID: id, Enabled: p(false)})
	c.wantCode(components.CodeDisabled, verification{Key: key})
}

func TestAnExpiredKey(t *testing.T) {
	c := newClient(t)
	id, key := c.createKey(operations.CreateKeyRequestBody{})
	c.wantCode(components.CodeValid, verification{Key: key})
	c.update(operations.UpdateKeyRequestBody{KeyID: id, Expires: p(time.Now().Add(-time.Minute).UnixMilli())})
	c.wantCode(components.CodeExpired, verification{Key: key})
}

// TestTheFirstFailureDecides: disabled before the API, the API before expiry, expiry before
// permissions, permissions before limits, limits before credits.
func TestTheFirstFailureDecides(t *testing.T) {
	c, duration := newClient(t), quietWindow()
	id, key := c.createKey(operations.CreateKeyRequestBody{Enabled: p(false), Remaining: p(int64(1)),
		Ratelimit: &operations.Ratelimit{Limit: 1, Duration: &duration}})
	// From here on credits and limit are used up, so every later check would fail as well.
	c.update(operations.UpdateKeyRequestBody{KeyID: id, Enabled: p(true)})
	c.wantCode(components.CodeValid, verification{Key: key})
	c.update(operations.UpdateKeyRequestBody{KeyID: id, Enabled: p(false), Expires: p(time.Now().Add(-time.Minute).UnixMilli())})

	everything := verification{Key: key, APIID: p(c.createAPI()), Authorization: require(permission("nobody.has.this"))}
	c.wantCode(components.CodeDisabled, everything)
	c.update(operations.UpdateKeyRequestBody{KeyID: id, Enabled: p(true)})
	c.wantCode(components.CodeForbidden, everything)
	everything.APIID = nil
	c.wantCode(components.CodeExpired, everything)
	c.raw("keys.updateKey", `{"keyId":"`+id+`","expires":null}`)
	c.wantCode(components.CodeInsufficientPermissions, everything)
	everything.Authorization = nil
	c.wantCode(components.CodeRateLimited, everything)
	c.raw("keys.updateKey", `{"keyId":"`+id+`","ratelimit":null}`)
	c.wantCode(components.CodeUsageExceeded, everything)
}

func require(q components.PermissionQuery) *components.Authorization {
	return &components.Authorization{Permissions: &q}
}

func permission(name string) components.PermissionQuery {
	return components.CreatePermissionQueryStr(name)
}

func all(of ...components.PermissionQuery) components.PermissionQuery {
	return components.CreatePermissionQueryAnd(components.And{And: of})
}

func anyOf(of ...components.PermissionQuery) components.PermissionQuery {
	return components.CreatePermissionQueryOr(components.Or{Or: of})
}

// TestPermissionQueries: plain names, and/or trees, no wildcards. A refusal costs nothing.
func TestPermissionQueries(t *testing.T) {
	c := newClient(t)
	id, key := c.createKey(operations.CreateKeyRequestBody{Permissions: []string{"a", "b.c", "d:e"}, Remaining: p(int64(100))})
	const yes, no = components.CodeValid, components.CodeInsufficientPermissions
	spent := int64(0)
	for _, test := range []struct {
		query components.PermissionQuery
		want  components.Code
	}{
		{permission("a"), yes},
		{permission("z"), no},
		{permission("A"), no},
		{permission("*"), no},
		{permission("b.*"), no},
		{all(permission("a"), permission("b.c")), yes},
		{all(permission("a"), permission("z")), no},
		{anyOf(permission("z"), permission("d:e")), yes},
		{anyOf(permission("y"), permission("z")), no},
		{all(anyOf(permission("z"), permission("a")), all(permission("b.c"), anyOf(permission("d:e")))), yes},
		{anyOf(all(permission("a"), permission("z")), all(permission("y"))), no},
	} {
		c.wantCode(test.want, verification{Key: key, Authorization: require(test.query)})
		if test.want == yes {
			spent++
		}
	}
	if got := *c.getKey(id).Remaining; got != 100-spent {
		t.Errorf("%d accepted verifications cost %d credits", spent, 100-got)
	}
}

func TestAMalformedPermissionQuery(t *testing.T) {
	c := newClient(t)
	_, key := c.createKey(operations.CreateKeyRequestBody{})
	for _, query := range []string{`{"and":[]}`, `{"or":[]}`, `{}`, `7`, `[]`, `{"not":["a"]}`, `{"and":["a",7]}`} {
		c.raw("keys.verifyKey", `{"key":"`+key+`","authorization":{"permissions":`+query+`}}`)
		c.wantError(400, "BAD_REQUEST", "ermission")
	}
}

// TestCreditsRunOutExactly: balance B, exactly B uses, then USAGE_EXCEEDED with the true balance.
func TestCreditsRunOutExactly(t *testing.T) {
	c := newClient(t)
	id, key := c.createKey(operations.CreateKeyRequestBody{Remaining: p(int64(3))})
	for left := int64(2); left >= 0; left-- {
		if got := c.wantCode(components.CodeValid, verification{Key: key}).Remaining; got == nil || *got != left {
			t.Fatalf("want %d left, got %s", left, c.last.body)
		}
	}
	for range 3 {
		if got := c.wantCode(components.CodeUsageExceeded, verification{Key: key}).Remaining; got == nil || *got != 0 {
			t.Fatalf("want 0 left, got %s", c.last.body)
		}
	}
	if got := c.getKey(id).Remaining; got == nil || *got != 0 {
		t.Errorf("getKey shows another balance: %s", c.last.body)
	}
}

// TestACostAboveTheBalanceIsRefused and leaves the balance as it was; upstream let it through once.
func TestACostAboveTheBalanceIsRefused(t *testing.T) {
	c := newClient(t)
	_, key := c.createKey(operations.CreateKeyRequestBody{Remaining: p(int64(3))})
	fields(t, c.spend(key, 4), map[string]any{"valid": false, "code": "USAGE_EXCEEDED", "remaining": 3})
	fields(t, c.spend(key, 2), map[string]any{"code": "VALID", "remaining": 1})
	fields(t, c.spend(key, 2), map[string]any{"code": "USAGE_EXCEEDED", "remaining": 1})
	fields(t, c.spend(key, 1), map[string]any{"code": "VALID", "remaining": 0})
	fields(t, c.spend(key, 0), map[string]any{"code": "VALID", "remaining": 0})
	fields(t, c.spend(key, 1), map[string]any{"code": "USAGE_EXCEEDED", "remaining": 0})
}

// TestALimitStopsExactly: N pass; a refusal says when the window ends and is not counted.
func TestALimitStopsExactly(t *testing.T) {
	c, duration := newClient(t), quietWindow()
	id, key := c.createKey(operations.CreateKeyRequestBody{Remaining: p(int64(50)),
		Ratelimit: &operations.Ratelimit{Limit: 3, Duration: &duration}})
	want := func(code components.Code, remaining int) {
		t.Helper()
		c.wantCode(code, verification{Key: key})
		fields(t, c.body(), map[string]any{"ratelimit": map[string]any{"limit": 3, "remaining": remaining, "reset": windowEnd(duration)}})
	}
	want(components.CodeValid, 2)
	want(components.CodeValid, 1)
	want(components.CodeValid, 0)
	want(components.CodeRateLimited, 0)
	want(components.CodeRateLimited, 0)
	if got := *c.getKey(id).Remaining; got != 47 {
		t.Errorf("three accepted verifications cost %d credits", 50-got)
	}
}

// TestANamedLimitTakesItsCost: naming a stored limit replaces its cost; cost 0 looks and counts nothing.
func TestANamedLimitTakesItsCost(t *testing.T) {
	c, duration := newClient(t), quietWindow()
	_, key := c.createKey(operations.CreateKeyRequestBody{Ratelimit: &operations.Ratelimit{Limit: 10, Duration: &duration}})
	for _, step := range []struct {
		cost, remaining int64
		code            components.Code
	}{{4, 6, "VALID"}, {0, 6, "VALID"}, {7, 6, "RATE_LIMITED"}, {6, 0, "VALID"}, {0, 0, "VALID"}, {1, 0, "RATE_LIMITED"}} {
		res := c.wantCode(step.code, verification{Key: key, Ratelimits: []components.Ratelimits{{Name: "default", Cost: &step.cost}}})
		if res.Ratelimit == nil || res.Ratelimit.Remaining != step.remaining {
			t.Errorf("cost %d: want %d remaining, got %s", step.cost, step.remaining, c.last.body)
		}
	}
}

// TestSeveralLimitsAreChargedTogetherOrNotAtAll: the ad-hoc one refuses, the stored one keeps its tokens.
func TestSeveralLimitsAreChargedTogetherOrNotAtAll(t *testing.T) {
	c, duration := newClient(t), quietWindow()
	_, key := c.createKey(operations.CreateKeyRequestBody{Ratelimit: &operations.Ratelimit{Limit: 10, Duration: &duration}})
	both := verification{Key: key, Ratelimits: []components.Ratelimits{{Name: "tokens", Limit: p(int64(5)), Duration: &duration, Cost: p(int64(3))}}}
	c.wantCode(components.CodeValid, both)
	c.wantCode(components.CodeRateLimited, both)
	c.wantCode(components.CodeRateLimited, both)
	res := c.wantCode(components.CodeValid, verification{Key: key, Ratelimits: []components.Ratelimits{{Name: "default", Cost: p(int64(0))}}})
	if res.Ratelimit == nil || res.Ratelimit.Remaining != 9 {
		t.Errorf("one accepted verification took one token of the stored limit, got %s", c.last.body)
	}
	both.Ratelimits[0].Cost = p(int64(2))
	c.wantCode(components.CodeValid, both)
}

// TestRefusedForCreditsTakesNoToken; upstream charged the limits first.
func TestRefusedForCreditsTakesNoToken(t *testing.T) {
	c, duration := newClient(t), quietWindow()
	_, key := c.createKey(operations.CreateKeyRequestBody{Remaining: p(int64(1)), Ratelimit: &operations.Ratelimit{Limit: 10, Duration: &duration}})
	c.wantCode(components.CodeValid, verification{Key: key})
	for range 3 {
		c.wantCode(components.CodeUsageExceeded, verification{Key: key})
	}
	body := c.raw("keys.verifyKey", `{"key":"`+key+`","remaining":{"cost":0},"ratelimits":[{"name":"default","cost":0}]}`)
	fields(t, body, map[string]any{"code": "VALID", "ratelimit": map[string]any{"limit": 10, "remaining": 9, "reset": windowEnd(duration)}})
}

func TestALimitNobodyKnowsIs400(t *testing.T) {
	c := newClient(t)
	id, key := c.createKey(operations.CreateKeyRequestBody{Remaining: p(int64(5))})
	for _, limit := range []components.Ratelimits{
		{Name: "tokens"}, {Name: "tokens", Limit: p(int64(5))}, {Name: "tokens", Duration: p(int64(5000))},
	} {
		c.Keys.VerifyKey(t.Context(), verification{Key: key, Ratelimits: []components.Ratelimits{limit}})
		c.wantError(400, "BAD_REQUEST", `ratelimit "tokens" was requested but does not exist for key "`+id+`"`)
	}
	if got := *c.getKey(id).Remaining; got != 5 {
		t.Errorf("a refused request cost %d credits", 5-got)
	}
}

// TestAnAdHocLimitThatCannotWorkIs400 and is never let through.
func TestAnAdHocLimitThatCannotWorkIs400(t *testing.T) {
	c := newClient(t)
	_, key := c.createKey(operations.CreateKeyRequestBody{})
	for _, limit := range []components.Ratelimits{
		{Name: "tokens", Limit: p(int64(0)), Duration: p(int64(5000))}, {Name: "tokens", Limit: p(int64(-1)), Duration: p(int64(5000))},
		{Name: "tokens", Limit: p(int64(5)), Duration: p(int64(999))}, {Name: "tokens", Limit: p(int64(5)), Duration: p(int64(0))},
		{Name: "tokens", Limit: p(int64(5)), Duration: p(int64(5000)), Cost: p(int64(-1))}, {Name: "", Limit: p(int64(5)), Duration: p(int64(5000))},
	} {
		c.Keys.VerifyKey(t.Context(), verification{Key: key, Ratelimits: []components.Ratelimits{limit}})
		c.wantError(400, "BAD_REQUEST", "ratelimits.0")
	}
}
