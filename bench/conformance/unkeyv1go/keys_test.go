package unkeyv1go

import (
	"context"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/unkeyed/unkey-go/models/components"
	"github.com/unkeyed/unkey-go/models/operations"
)

func TestAnAPIReadsBackAsCreated(t *testing.T) {
	c := newClient(t)
	id := c.createAPI()
	if !strings.HasPrefix(id, "api_") {
		t.Errorf("an API id begins with api_, got %q", id)
	}
	res, err := c.Apis.GetAPI(context.Background(), operations.GetAPIRequest{APIID: id})
	if err != nil {
		t.Fatal(err)
	}
	if res.Object.ID != id || *res.Object.Name != "conformance" || res.Object.WorkspaceID == "" {
		t.Errorf("got %s", c.last.body)
	}
}

// fullKey is a draft that uses every field of createKey.
func fullKey(c *client, duration int64) operations.CreateKeyRequestBody {
	return operations.CreateKeyRequestBody{
		APIID: c.createAPI(), Prefix: p("live"), Name: p("every field"), ByteLength: p(int64(24)),
		OwnerID: p("owner_7"), ExternalID: p("user_7"),
		Meta:        map[string]any{"plan": "pro", "seats": 3, "nested": map[string]any{"a": []any{1, "b", nil}}},
		Roles:       []string{"writer", "admin"},
		Permissions: []string{"docs.write", "docs.read"},
		Expires:     p(time.Now().Add(time.Hour).UnixMilli()),
		Remaining:   p(int64(1000)),
		Refill:      &operations.Refill{Interval: operations.IntervalMonthly, Amount: 500, RefillDay: p(15.0)},
		Ratelimit:   &operations.Ratelimit{Limit: 10, Duration: &duration, Type: p(operations.TypeConsistent), Async: p(true)},
		Enabled:     p(true), Environment: p("test"),
	}
}

func TestAKeyWithEveryFieldReadsBack(t *testing.T) {
	c, duration := newClient(t), quietWindow()
	draft := fullKey(c, duration)
	before := time.Now().UnixMilli()
	id, key := c.createKey(draft)
	wantKeyFormat(t, key, "live_", 24)

	got := c.getKey(id)
	fields(t, c.body(), map[string]any{
		"id": id, "apiId": draft.APIID, "start": key[:len("live_")+4], "name": "every field",
		"ownerId": "user_7", "meta": draft.Meta, "expires": *draft.Expires, "remaining": 1000, "enabled": true,
		"permissions": []string{"docs.read", "docs.write"}, "roles": []string{"admin", "writer"},
		"ratelimit": map[string]any{"async": false, "limit": 10, "duration": duration, "refillRate": 10, "refillInterval": duration},
		"plaintext": nil,
	})
	if got.WorkspaceID == "" || got.CreatedAt < before-1000 || got.CreatedAt > time.Now().UnixMilli()+1000 {
		t.Errorf("workspace %q, created at %d", got.WorkspaceID, got.CreatedAt)
	}
	refill := c.body()["refill"].(map[string]any)
	fields(t, refill, map[string]any{"interval": "monthly", "amount": 500, "refillDay": 15})
	if refill["lastRefillAt"] == nil {
		t.Error("a new key with a refill was last refilled when it was created")
	}
	if got.Identity == nil || !strings.HasPrefix(got.Identity.ID, "id_") || got.Identity.ExternalID != "user_7" {
		t.Errorf("externalId wins over ownerId and makes the identity, got %+v", got.Identity)
	}
}

func TestADailyRefillHasNoDay(t *testing.T) {
	c := newClient(t)
	id, _ := c.createKey(operations.CreateKeyRequestBody{Remaining: p(int64(5)),
		Refill: &operations.Refill{Interval: operations.IntervalDaily, Amount: 5}})
	c.getKey(id)
	fields(t, c.body()["refill"].(map[string]any), map[string]any{"interval": "daily", "amount": 5, "refillDay": nil})
}

func TestAMonthlyRefillIsOnTheFirstUnlessSaid(t *testing.T) {
	c := newClient(t)
	id, _ := c.createKey(operations.CreateKeyRequestBody{Remaining: p(int64(5)),
		Refill: &operations.Refill{Interval: operations.IntervalMonthly, Amount: 5}})
	c.getKey(id)
	fields(t, c.body()["refill"].(map[string]any), map[string]any{"interval": "monthly", "amount": 5, "refillDay": 1})
}

func TestDefaultsOfAKey(t *testing.T) {
	c := newClient(t)
	id, key := c.createKey(operations.CreateKeyRequestBody{})
	wantKeyFormat(t, key, "", 16)
	got := c.getKey(id)
	if got.Start != key[:5] || got.Enabled == nil || !*got.Enabled {
		t.Errorf("a key without a prefix shows its first five characters and is enabled, got %s", c.last.body)
	}
	if got.Remaining != nil || got.Refill != nil || got.Ratelimit != nil || got.Expires != nil || got.OwnerID != nil {
		t.Errorf("what was not asked for is absent, got %s", c.last.body)
	}
	c.wantCode(components.CodeValid, components.V1KeysVerifyKeyRequest{Key: key})
	if body := c.body(); body["remaining"] != nil || body["ratelimit"] != nil {
		t.Errorf("an unlimited key shows neither balance nor limit, got %s", c.last.body)
	}
}

// TestTheDeprecatedNamesOfALimit: refillRate and refillInterval still mean limit and duration.
func TestTheDeprecatedNamesOfALimit(t *testing.T) {
	c := newClient(t)
	id, _ := c.createKey(operations.CreateKeyRequestBody{
		Ratelimit: &operations.Ratelimit{Limit: 3, RefillRate: p(int64(3)), RefillInterval: p(int64(60_000))}})
	if got := c.getKey(id).Ratelimit; got == nil || got.Limit != 3 || got.Duration != 60_000 {
		t.Errorf("got %+v", got)
	}
}

// TestADraftThatContradictsItselfIsRefused checks each rule of createKey that goes beyond types.
func TestADraftThatContradictsItselfIsRefused(t *testing.T) {
	c := newClient(t)
	api := c.createAPI()
	daily := &operations.Refill{Interval: operations.IntervalDaily, Amount: 5, RefillDay: p(3.0)}
	monthly := &operations.Refill{Interval: operations.IntervalMonthly, Amount: 5}
	for name, test := range map[string]struct {
		draft   operations.CreateKeyRequestBody
		status  int
		code    string
		message string
	}{
		"no credits to begin with":   {operations.CreateKeyRequestBody{APIID: api, Remaining: p(int64(0))}, 400, "BAD_REQUEST", "remaining"},
		"refill without a balance":   {operations.CreateKeyRequestBody{APIID: api, Refill: monthly}, 400, "BAD_REQUEST", ""},
		"a day for a daily refill":   {operations.CreateKeyRequestBody{APIID: api, Remaining: p(int64(5)), Refill: daily}, 400, "BAD_REQUEST", ""},
		"recoverable, nothing seals": {operations.CreateKeyRequestBody{APIID: api, Recoverable: p(true)}, 412, "PRECONDITION_FAILED", ""},
		"unknown API":                {operations.CreateKeyRequestBody{APIID: "api_unknown"}, 404, "NOT_FOUND", "api_unknown"},
		"prefix of 17":               {operations.CreateKeyRequestBody{APIID: api, Prefix: p(strings.Repeat("p", 17))}, 400, "BAD_REQUEST", "prefix: "},
		"15 bytes":                   {operations.CreateKeyRequestBody{APIID: api, ByteLength: p(int64(15))}, 400, "BAD_REQUEST", "byteLength: "},
		"256 bytes":                  {operations.CreateKeyRequestBody{APIID: api, ByteLength: p(int64(256))}, 400, "BAD_REQUEST", "byteLength: "},
		"environment of 257":         {operations.CreateKeyRequestBody{APIID: api, Environment: p(strings.Repeat("e", 257))}, 400, "BAD_REQUEST", "environment: "},
		"limit 0": {operations.CreateKeyRequestBody{APIID: api,
			Ratelimit: &operations.Ratelimit{Limit: 0, Duration: p(int64(1000))}}, 400, "BAD_REQUEST", "ratelimit.limit: "},
		"window under a second": {operations.CreateKeyRequestBody{APIID: api,
			Ratelimit: &operations.Ratelimit{Limit: 1, Duration: p(int64(999))}}, 400, "BAD_REQUEST", "ratelimit.duration: "},
		"a permission without a name": {operations.CreateKeyRequestBody{APIID: api, Permissions: []string{"ok", ""}}, 400, "BAD_REQUEST", "permissions.1: "},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t)
			if _, err := c.Keys.CreateKey(context.Background(), test.draft); err == nil {
				t.Fatal("accepted")
			}
			c.wantError(test.status, test.code, test.message)
		})
	}
}

func TestADeletedKeyIsGone(t *testing.T) {
	c := newClient(t)
	id, key := c.createKey(operations.CreateKeyRequestBody{})
	c.wantCode(components.CodeValid, components.V1KeysVerifyKeyRequest{Key: key})
	if _, err := c.Keys.DeleteKey(context.Background(), operations.DeleteKeyRequestBody{KeyID: id}); err != nil {
		t.Fatal(err)
	}
	c.wantCode(components.CodeNotFound, components.V1KeysVerifyKeyRequest{Key: key})
	if body := c.body(); len(body) != 3 {
		t.Errorf("NOT_FOUND shows valid, code and requestId and nothing else, got %s", c.last.body)
	}
	c.Keys.GetKey(context.Background(), operations.GetKeyRequest{KeyID: id})
	c.wantError(404, "NOT_FOUND", id)
	c.Keys.UpdateKey(context.Background(), operations.UpdateKeyRequestBody{KeyID: id, Enabled: p(true)})
	c.wantError(404, "NOT_FOUND", id)
	c.Keys.UpdateRemaining(context.Background(), operations.UpdateRemainingRequestBody{KeyID: id, Op: operations.OpSet, Value: p(int64(1))})
	c.wantError(404, "NOT_FOUND", id)
	c.Keys.DeleteKey(context.Background(), operations.DeleteKeyRequestBody{KeyID: id})
	c.wantError(404, "NOT_FOUND", id)
}

// wantKeyFormat checks [prefix_]base58(0x01, length, length random bytes).
func wantKeyFormat(t *testing.T, key, prefix string, length int) {
	t.Helper()
	const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	text, ok := strings.CutPrefix(key, prefix)
	n := new(big.Int)
	for _, r := range text {
		digit := strings.IndexRune(alphabet, r)
		ok = ok && digit >= 0
		n.Add(n.Mul(n, big.NewInt(58)), big.NewInt(int64(digit)))
	}
	bytes := n.Bytes()
	if !ok || len(bytes) != length+2 || bytes[0] != 1 || int(bytes[1]) != length {
		t.Errorf("a key of %d bytes with prefix %q has another form: %d characters, %d bytes", length, prefix, len(key), len(bytes))
	}
}
