package unkeyv2go

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/unkeyed/sdks/api/go/v2/models/apierrors"
	"github.com/unkeyed/sdks/api/go/v2/models/components"
)

// fails checks the status of an error, of whatever type.
func (t talk) fails(err error, status int) {
	t.Helper()
	var plain *apierrors.APIError
	var absent *apierrors.NotFoundErrorResponse
	var unmet *apierrors.PreconditionFailedErrorResponse
	switch {
	case errors.As(err, &plain) && plain.StatusCode == status:
	case errors.As(err, &absent) && status == http.StatusNotFound:
	case errors.As(err, &unmet) && status == http.StatusPreconditionFailed:
	default:
		t.Errorf("want status %d, got %v", status, err)
	}
}

// told checks what every typed error tells.
func (t talk) told(meta components.Meta, e components.BaseError, status int64, kind string) {
	t.Helper()
	if !strings.HasPrefix(meta.RequestID, "req_") || e.Status != status || e.Type != "https://unkey.com/docs/errors/"+kind || e.Title == "" || e.Detail == "" {
		t.Errorf("want %d %s, got %+v", status, kind, e)
	}
}

// Errors come out of the client as types of their own.
func TestErrors(tt *testing.T) {
	t := newTalk(tt)
	_, err := t.Apis.CreateAPI(t.Context(), components.V2ApisCreateAPIRequestBody{Name: "go"})
	var bad *apierrors.BadRequestErrorResponse
	if !errors.As(err, &bad) || bad.Error_.Type != "https://unkey.com/docs/errors/unkey/application/invalid_input" || len(bad.Error_.Errors) != 1 {
		t.Errorf("400: %v", err)
	}
	_, err = newClient("unknown_root_key").Apis.CreateAPI(t.Context(), components.V2ApisCreateAPIRequestBody{Name: "conformance"})
	var unknown *apierrors.UnauthorizedErrorResponse
	if !errors.As(err, &unknown) {
		t.Fatalf("401: %v", err)
	}
	t.told(unknown.Meta, unknown.Error_, http.StatusUnauthorized, "unkey/authentication/key_not_found")
	_, err = t.Keys.GetKey(t.Context(), components.V2KeysGetKeyRequestBody{KeyID: "key_unknown"})
	var absent *apierrors.NotFoundErrorResponse
	if !errors.As(err, &absent) {
		t.Fatalf("404: %v", err)
	}
	t.told(absent.Meta, absent.Error_, http.StatusNotFound, "unkey/data/key_not_found")
	slug := unique("slug")
	for range 2 {
		_, err = t.Permissions.CreatePermission(t.Context(), components.V2PermissionsCreatePermissionRequestBody{Name: "x", Slug: slug})
	}
	var taken *apierrors.ConflictErrorResponse
	if !errors.As(err, &taken) {
		t.Fatalf("409: %v", err)
	}
	t.told(taken.Meta, taken.Error_, http.StatusConflict, "unkey/data/permission_already_exists")
}
