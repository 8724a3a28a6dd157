package unkeyv1go

import (
	"fmt"
	"testing"

	"github.com/unkeyed/unkey-go/models/components"
	"github.com/unkeyed/unkey-go/models/operations"
)

// TestWhatAnUpdateDoesNotNameStays: undefined is untouched.
func TestWhatAnUpdateDoesNotNameStays(t *testing.T) {
	c := newClient(t)
	id, _ := c.createKey(fullKey(c, quietWindow()))
	c.getKey(id)
	want := c.body()
	c.update(operations.UpdateKeyRequestBody{KeyID: id, Name: p("renamed")})
	if got := c.getKey(id); got.UpdatedAt == nil || *got.UpdatedAt < got.CreatedAt {
		t.Errorf("an update leaves its time, got %s", c.last.body)
	}
	want["name"] = "renamed"
	delete(want, "updatedAt")
	fields(t, c.body(), want)
}

// TestNullClears each field that may be cleared. This client cannot say null, so the body is spelt.
func TestNullClears(t *testing.T) {
	c := newClient(t)
	for _, names := range [][]string{
		{"name"}, {"meta"}, {"expires"}, {"ratelimit"}, {"refill"}, {"refill", "remaining"}, {"ownerId"}, {"externalId"},
	} {
		t.Run(fmt.Sprint(names), func(t *testing.T) {
			c := &client{Unkey: c.Unkey, t: t, last: c.last}
			id, key := c.createKey(fullKey(c, quietWindow()))
			body := `{"keyId":"` + id + `"`
			for _, name := range names {
				body += `,"` + name + `":null`
			}
			c.raw("keys.updateKey", body+"}")
			if c.last.status != 200 {
				t.Fatalf("refused: %s", c.last.body)
			}
			c.getKey(id)
			for _, name := range names {
				if value := c.body()[name]; value != nil && len(fmt.Sprint(value)) > len("map[]") {
					t.Errorf("%s is still %v", name, value)
				}
			}
			if names[0] == "ownerId" || names[0] == "externalId" {
				fields(t, c.body(), map[string]any{"ownerId": nil, "identity": nil})
			}
			c.wantCode(components.CodeValid, verification{Key: key})
		})
	}
}

func TestAnUpdateChangesEveryField(t *testing.T) {
	c, duration := newClient(t), quietWindow()
	id, key := c.createKey(operations.CreateKeyRequestBody{})
	c.update(operations.UpdateKeyRequestBody{
		KeyID: id, Name: p("new"), ExternalID: p("user_9"), Meta: map[string]any{"v": 2}, Expires: p(int64(4102444800000)),
		Ratelimit: &operations.UpdateKeyRatelimit{Limit: 7, Duration: &duration}, Remaining: p(int64(9)),
		Refill:      &operations.UpdateKeyRefill{Interval: operations.UpdateKeyIntervalDaily, Amount: 9},
		Roles:       []operations.Roles{{Name: p("role.updated"), Create: p(true)}},
		Permissions: []operations.Permissions{{Name: p("perm.updated"), Create: p(true)}},
	})
	c.getKey(id)
	fields(t, c.body(), map[string]any{"name": "new", "ownerId": "user_9", "meta": map[string]any{"v": 2}, "expires": int64(4102444800000),
		"remaining": 9, "roles": []string{"role.updated"}, "permissions": []string{"perm.updated"}})
	// Upstream turned a daily refill into a monthly one here.
	fields(t, c.body()["refill"].(map[string]any), map[string]any{"interval": "daily", "amount": 9, "refillDay": nil})
	c.wantCode(components.CodeValid, verification{Key: key, Authorization: require(permission("perm.updated"))})
	fields(t, c.body(), map[string]any{"remaining": 8, "ratelimit": map[string]any{"limit": 7, "remaining": 6, "reset": windowEnd(duration)}})
}

// TestARefusedUpdateChangesNothing: an unknown role is 404, a contradiction 400, and the key is as before.
func TestARefusedUpdateChangesNothing(t *testing.T) {
	c := newClient(t)
	id, _ := c.createKey(fullKey(c, quietWindow()))
	c.getKey(id)
	before := c.body()
	for _, test := range []struct {
		change string
		status int
		code   string
	}{
		{`"name":"changed","roles":[{"name":"nobody.made.this.role"}]`, 404, "NOT_FOUND"},
		{`"name":"changed","permissions":[{"name":"nobody.made.this.permission"}]`, 404, "NOT_FOUND"},
		{`"name":"changed","remaining":null,"refill":{"interval":"daily","amount":3}`, 400, "BAD_REQUEST"},
		{`"name":"changed","refill":{"interval":"daily","amount":3,"refillDay":3}`, 400, "BAD_REQUEST"},
		{`"name":"changed","enabled":null`, 400, "BAD_REQUEST"},
		{`"name":"changed","ratelimit":{"limit":0,"duration":1000}`, 400, "BAD_REQUEST"},
	} {
		c.raw("keys.updateKey", `{"keyId":"`+id+`",`+test.change+`}`)
		c.wantError(test.status, test.code, "")
		c.getKey(id)
		fields(t, c.body(), before)
	}
}

func TestUpdateRemaining(t *testing.T) {
	c := newClient(t)
	id, key := c.createKey(operations.CreateKeyRequestBody{Remaining: p(int64(10))})
	for _, step := range []struct {
		op    operations.Op
		value *int64
		want  any
	}{
		{operations.OpIncrement, p(int64(5)), 15}, {operations.OpDecrement, p(int64(6)), 9},
		{operations.OpSet, p(int64(2)), 2}, {operations.OpSet, p(int64(0)), 0},
	} {
		if _, err := c.Keys.UpdateRemaining(t.Context(), operations.UpdateRemainingRequestBody{KeyID: id, Op: step.op, Value: step.value}); err != nil {
			t.Fatal(err)
		}
		fields(t, c.body(), map[string]any{"remaining": step.want})
		c.getKey(id)
		fields(t, c.body(), map[string]any{"remaining": step.want})
	}
	c.wantCode(components.CodeUsageExceeded, verification{Key: key})
}

// TestSetToNullIsUnlimited: and an unlimited balance can be neither raised nor lowered.
func TestSetToNullIsUnlimited(t *testing.T) {
	c := newClient(t)
	id, key := c.createKey(operations.CreateKeyRequestBody{Remaining: p(int64(1))})
	if _, err := c.Keys.UpdateRemaining(t.Context(), operations.UpdateRemainingRequestBody{KeyID: id, Op: operations.OpSet}); err != nil {
		t.Fatal(err)
	}
	if value, present := c.body()["remaining"]; value != nil || !present {
		t.Errorf("want remaining null, got %s", c.last.body)
	}
	for range 3 {
		if c.wantCode(components.CodeValid, verification{Key: key}).Remaining != nil {
			t.Errorf("an unlimited key shows no balance, got %s", c.last.body)
		}
	}
	for _, op := range []operations.Op{operations.OpIncrement, operations.OpDecrement} {
		for _, value := range []*int64{p(int64(1)), nil} {
			c.Keys.UpdateRemaining(t.Context(), operations.UpdateRemainingRequestBody{KeyID: id, Op: op, Value: value})
			c.wantError(400, "BAD_REQUEST", "")
		}
	}
}
