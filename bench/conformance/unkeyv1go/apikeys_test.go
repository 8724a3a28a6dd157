package unkeyv1go

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"testing"

	"github.com/unkeyed/unkey-go/models/components"
	"github.com/unkeyed/unkey-go/models/operations"
)

func sha256Of(plain string) string {
	sum := sha256.Sum256([]byte(plain))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// pages lists an API's keys, some at a time, until a page is empty.
func (c *client) pages(q operations.ListKeysRequest) (ids []string) {
	c.t.Helper()
	for {
		res, err := c.Apis.ListKeys(context.Background(), q)
		if err != nil {
			c.t.Fatal(err)
		}
		if len(res.Object.Keys) == 0 {
			return ids
		}
		for _, k := range res.Object.Keys {
			ids = append(ids, k.ID)
		}
		q.Cursor = res.Object.Cursor
	}
}

func TestKeysOfAnAPIFromTheirListToTheirEnd(t *testing.T) {
	c := newClient(t)
	api := c.createAPI()
	var want, owned []string
	for i := range 7 {
		draft := operations.CreateKeyRequestBody{APIID: api}
		if i%2 == 0 {
			draft.ExternalID = p("lister")
		}
		id, _ := c.createKey(draft)
		if want = append(want, id); i%2 == 0 {
			owned = append(owned, id)
		}
	}
	slices.Sort(want)
	slices.Sort(owned)
	if got := c.pages(operations.ListKeysRequest{APIID: api, Limit: p(int64(3))}); !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	if got := c.pages(operations.ListKeysRequest{APIID: api, Limit: p(int64(2)), ExternalID: p("lister")}); !slices.Equal(got, owned) {
		t.Errorf("listed %v, want %v", got, owned)
	}
	if got := c.pages(operations.ListKeysRequest{APIID: api, OwnerID: p("lister"), RevalidateKeysCache: p(true)}); !slices.Equal(got, owned) {
		t.Errorf("listed %v, want %v", got, owned)
	}
	for _, permanent := range []bool{false, true} {
		res, err := c.Apis.DeleteKeys(context.Background(), operations.DeleteKeysRequestBody{APIID: api, Permanent: &permanent})
		if err != nil || res.Object.DeletedKeys != int64(len(want)) {
			t.Fatalf("%s %v", c.last.body, err)
		}
		want = nil
	}
}

func TestAnAPIEndsWithItsKeys(t *testing.T) {
	c := newClient(t)
	api := c.createAPI()
	_, key := c.createKey(operations.CreateKeyRequestBody{APIID: api})
	c.wantCode(components.CodeValid, components.V1KeysVerifyKeyRequest{Key: key})
	if _, err := c.Apis.DeleteAPI(context.Background(), operations.DeleteAPIRequestBody{APIID: api}); err != nil {
		t.Fatal(err)
	}
	c.wantCode(components.CodeNotFound, components.V1KeysVerifyKeyRequest{Key: key})
	if _, err := c.Apis.DeleteAPI(context.Background(), operations.DeleteAPIRequestBody{APIID: api}); err == nil {
		t.Error("an API was deleted twice")
	}
	c.wantError(404, "NOT_FOUND", api)
}

func TestKeysComeByTheirHashes(t *testing.T) {
	c := newClient(t)
	api, plain := c.createAPI(), []string{rand.Text(), rand.Text(), rand.Text()}
	batch := []operations.RequestBody{
		{APIID: api, Hash: &operations.Hash{Value: sha256Of(plain[0]), Variant: operations.VariantSha256Base64}, Start: p("abcd"), OwnerID: p("o"),
			Remaining: p(int64(5)), Ratelimit: &operations.V1MigrationsCreateKeysRatelimit{Limit: 3, RefillRate: 3, RefillInterval: 60000}},
		{APIID: api, Plaintext: &plain[1]},
	}
	res, err := c.Migrations.V1MigrationsCreateKeys(context.Background(), batch)
	if err != nil || len(res.Object.KeyIds) != 2 {
		t.Fatalf("%s %v", c.last.body, err)
	}
	for i := range 2 {
		got := c.wantCode(components.CodeValid, components.V1KeysVerifyKeyRequest{Key: plain[i]})
		if *got.KeyID != res.Object.KeyIds[i] {
			t.Errorf("key %d is %s", i, *got.KeyID)
		}
	}
	if _, err := c.Migrations.V1MigrationsCreateKeys(context.Background(), batch); err == nil {
		t.Error("a hash came twice")
	}
	c.wantError(409, "CONFLICT", "exists")

	hash := operations.V1MigrationsEnqueueKeysHash{Value: sha256Of(plain[2]), Variant: operations.V1MigrationsEnqueueKeysVariantSha256Base64}
	for range 2 {
		queued := operations.V1MigrationsEnqueueKeysRequestBody{MigrationID: "m", APIID: api, Keys: []operations.Keys{{Hash: &hash}}}
		if _, err := c.Migrations.V1MigrationsEnqueueKeys(context.Background(), queued); err != nil || c.last.status != 202 {
			t.Fatalf("%s %v", c.last.body, err)
		}
	}
	c.wantCode(components.CodeValid, components.V1KeysVerifyKeyRequest{Key: plain[2]})
}
