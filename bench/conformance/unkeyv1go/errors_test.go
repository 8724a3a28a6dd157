package unkeyv1go

import (
	"errors"
	"net/http"
	"testing"

	"tollgate/bench/conformance/suite"

	"github.com/unkeyed/unkey-go/models/operations"
	"github.com/unkeyed/unkey-go/models/sdkerrors"
)

// TestABadRequestNamesThePath of the first field that is wrong, and arrives as the client's own error type.
func TestABadRequestNamesThePath(t *testing.T) {
	c := newClient(t)
	_, err := c.Apis.CreateAPI(t.Context(), operations.CreateAPIRequestBody{Name: "ab"})
	if bad := (*sdkerrors.ErrBadRequest)(nil); !errors.As(err, &bad) || bad.Error_.Code != sdkerrors.CodeBadRequest {
		t.Errorf("want ErrBadRequest, got %T %v", err, err)
	}
	c.wantError(400, "BAD_REQUEST", "name: ")
}

func TestNotFoundArrivesAsTheClientsOwnError(t *testing.T) {
	c := newClient(t)
	_, err := c.Keys.GetKey(t.Context(), operations.GetKeyRequest{KeyID: "key_unknown"})
	if missing := (*sdkerrors.ErrNotFound)(nil); !errors.As(err, &missing) {
		t.Errorf("want ErrNotFound, got %T %v", err, err)
	}
	c.wantError(404, "NOT_FOUND", "key_unknown")
	_, err = c.Apis.GetAPI(t.Context(), operations.GetAPIRequest{APIID: "api_unknown"})
	if missing := (*sdkerrors.ErrNotFound)(nil); !errors.As(err, &missing) {
		t.Errorf("want ErrNotFound, got %T %v", err, err)
	}
	c.wantError(404, "NOT_FOUND", "api_unknown")
}

// TestABadRootKeyIs403: v1 sends UNAUTHORIZED as 403 on every endpoint but verifyKey.
func TestABadRootKeyIs403(t *testing.T) {
	good := newClient(t)
	id, _ := good.createKey(operations.CreateKeyRequestBody{Remaining: p(int64(5))})
	bad := newClientWith(t, "tollgate_nobody_made_this_root_key_at_all")
	for name, call := range map[string]func() error{
		"createApi": func() error {
			_, err := bad.Apis.CreateAPI(t.Context(), operations.CreateAPIRequestBody{Name: "abc"})
			return err
		},
		"getApi": func() error {
			_, err := bad.Apis.GetAPI(t.Context(), operations.GetAPIRequest{APIID: "api_x"})
			return err
		},
		"createKey": func() error {
			_, err := bad.Keys.CreateKey(t.Context(), operations.CreateKeyRequestBody{APIID: "api_x"})
			return err
		},
		"getKey": func() error { _, err := bad.Keys.GetKey(t.Context(), operations.GetKeyRequest{KeyID: id}); return err },
		"updateKey": func() error {
			_, err := bad.Keys.UpdateKey(t.Context(), operations.UpdateKeyRequestBody{KeyID: id})
			return err
		},
		"deleteKey": func() error {
			_, err := bad.Keys.DeleteKey(t.Context(), operations.DeleteKeyRequestBody{KeyID: id})
			return err
		},
		"updateRemaining": func() error {
			_, err := bad.Keys.UpdateRemaining(t.Context(), operations.UpdateRemainingRequestBody{KeyID: id, Op: operations.OpSet, Value: p(int64(9))})
			return err
		},
	} {
		if call() == nil {
			t.Errorf("%s: accepted", name)
		}
		bad.wantError(403, "UNAUTHORIZED", "key not found")
	}
	if got := good.getKey(id).Remaining; got == nil || *got != 5 {
		t.Errorf("a stranger changed the key: %s", good.last.body)
	}
}

func TestAMissingRootKeyIs403(t *testing.T) {
	c := newClient(t)
	req, _ := http.NewRequest(http.MethodGet, suite.Server.URL+"/v1/keys.getKey?keyId=key_x", nil)
	if _, err := c.last.Do(req); err != nil {
		t.Fatal(err)
	}
	c.wantError(403, "UNAUTHORIZED", "key required")
}

// TestUnknownFieldsAreIgnored, as v1 always did.
func TestUnknownFieldsAreIgnored(t *testing.T) {
	c := newClient(t)
	if body := c.raw("apis.createApi", `{"name":"abc","nobody":{"knows":["this"]}}`); c.last.status != 200 || body["name"] != "abc" {
		t.Errorf("got %d %s", c.last.status, c.last.body)
	}
}
