package unkeyv1go

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/unkeyed/unkey-go/models/components"
	"github.com/unkeyed/unkey-go/models/operations"
)

// use asks for one use of an identifier.
func (c *client) use(namespace, identifier string, limit, cost int64) *operations.LimitResponseBody {
	c.t.Helper()
	return want[*operations.LimitResponse](c.t)(c.Ratelimits.Limit(context.Background(), operations.LimitRequestBody{
		Namespace: &namespace, Identifier: identifier, Limit: limit, Duration: 24 * 3600_000, Cost: &cost, Async: p(true),
		Meta: map[string]any{"plan": "pro"}, Resources: []operations.Resources{{Type: "project", ID: "p_1", Name: p("one")}},
	})).Object
}

func (c *client) override(namespace, identifier string, limit int64) string {
	c.t.Helper()
	return want[*operations.RatelimitSetOverrideResponse](c.t)(c.Ratelimit.RatelimitSetOverride(context.Background(),
		operations.RatelimitSetOverrideRequestBody{NamespaceName: &namespace, Identifier: identifier, Limit: limit, Duration: 24 * 3600_000})).Object.OverrideID
}

func TestALimitWithoutAKey(t *testing.T) {
	c, namespace := newClient(t), fresh("mail")
	for i, want := range []operations.LimitResponseBody{{Success: true, Remaining: 1}, {Success: false, Remaining: 1}, {Success: true}, {Success: true}, {Success: false}} {
		cost := []int64{1, 2, 1, 0, 1}[i]
		got := c.use(namespace, "user_1", 2, cost)
		if want.Limit, want.Reset = 2, windowEnd(24*3600_000); *got != want {
			t.Errorf("use %d: want %+v, got %+v", i, want, *got)
		}
	}
	_, _ = c.Ratelimits.Limit(context.Background(), operations.LimitRequestBody{Namespace: &namespace, Identifier: "user_1", Limit: 0, Duration: 1000})
	c.wantError(400, "BAD_REQUEST", "limit: ")
	stranger := newClientWith(t, "tollgate_nobody_made_this_root_key_at_all")
	_, _ = stranger.Ratelimits.Limit(context.Background(), operations.LimitRequestBody{Identifier: "user_1", Limit: 1, Duration: 1000})
	stranger.wantError(403, "UNAUTHORIZED", "")
}

func TestAnOverrideFromItsMakingToItsEnd(t *testing.T) {
	c, ctx, namespace := newClient(t), context.Background(), fresh("mail")
	c.use(namespace, "vip_1", 5, 1)
	ids := []string{c.override(namespace, "vip_*", 100), c.override(namespace, "vip_1", 0)}
	if got := c.use(namespace, "vip_1", 5, 1); got.Success || got.Limit != 0 {
		t.Errorf("blocked: %+v", got)
	}
	if got := c.use(namespace, "vip_2", 5, 1); !got.Success || got.Remaining != 99 {
		t.Errorf("by the pattern: %+v", got)
	}
	one := want[*operations.GetOverrideResponse](t)(c.Ratelimit.GetOverride(ctx, operations.GetOverrideRequest{NamespaceName: &namespace, Identifier: "vip_*"})).Object
	if one.ID != ids[0] || one.Limit != 100 || one.Duration != 24*3600_000 || *one.Async {
		t.Errorf("got %+v", one)
	}
	var listed []string
	for cursor := (*string)(nil); ; {
		page := want[*operations.ListOverridesResponse](t)(c.Ratelimit.ListOverrides(ctx,
			operations.ListOverridesRequest{NamespaceName: &namespace, Limit: p(int64(1)), Cursor: cursor})).Object
		for _, o := range page.Overrides {
			listed = append(listed, o.ID)
		}
		if cursor = page.Cursor; cursor == nil || page.Total != 2 {
			break
		}
	}
	slices.Sort(ids)
	if !slices.Equal(listed, ids) {
		t.Errorf("listed %q, want %q", listed, ids)
	}
	want[*operations.DeleteOverrideResponse](t)(c.Ratelimits.DeleteOverride(ctx, operations.DeleteOverrideRequestBody{NamespaceName: &namespace, Identifier: "vip_1"}))
	c.wantEmpty()
	if got := c.use(namespace, "vip_1", 5, 1); !got.Success || got.Limit != 100 {
		t.Errorf("after its end: %+v", got)
	}
	_, _ = c.Ratelimit.GetOverride(ctx, operations.GetOverrideRequest{NamespaceName: &namespace, Identifier: "vip_1"})
	c.wantError(404, "NOT_FOUND", "vip_1")
}

// Counts are at most a second behind.
func TestHowVerificationsEnded(t *testing.T) {
	c := newClient(t)
	id, key := c.createKey(operations.CreateKeyRequestBody{Remaining: p(int64(2))})
	for range 3 {
		c.verify(components.V1KeysVerifyKeyRequest{Key: key})
	}
	var got operations.Verifications
	for end := time.Now().Add(1500 * time.Millisecond); got.UsageExceeded == 0 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		res := want[*operations.GetVerificationsResponse](t)(c.Keys.GetVerifications(context.Background(), operations.GetVerificationsRequest{
			KeyID: &id, Start: p(time.Now().UnixMilli() - 1000), End: p(time.Now().UnixMilli() + 1000), Granularity: operations.GranularityDay.ToPointer(),
		})).Object
		if n := len(res.Verifications); n > 0 {
			got = res.Verifications[n-1]
		}
	}
	if got.Success != 2 || got.UsageExceeded != 1 || got.RateLimited != 0 || got.Time%(24*3600_000) != 0 {
		t.Errorf("got %+v", got)
	}
	_, _ = c.Keys.GetVerifications(context.Background(), operations.GetVerificationsRequest{})
	c.wantError(400, "BAD_REQUEST", "keyId: ")
}
