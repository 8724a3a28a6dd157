package unkeyv1

import (
	"encoding/json"
	"iter"
	"net/http"

	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/keys/store"
	"tollgate/ratelimit"
	"tollgate/verify"
)

// legacyRoutes are the three that were there before v1 called its endpoints by
// noun and verb.
func (a *API) legacyRoutes() []web.Route {
	d := a.dialect
	return []web.Route{
		post("/v1/keys", "deprecated.createKey", rights(keys.CreateKey), web.JSON(d, a.legacyCreateKey)),
		answering(post("/v1/keys/verify", "deprecated.verifyKey", public, web.JSON(d, a.legacyVerifyKey)), http.StatusOK, http.StatusNotFound),
		get("/v1/apis/{apiId}/keys", "deprecated.listKeys", rights(keys.ReadKey, keys.ReadAPI), web.Heavy(web.Query(d, a.legacyListKeys))),
	}
}

type legacyCreateKeyRequest struct {
	APIID      string              `json:"apiId" check:"required"`
	Prefix     string              `json:"prefix" check:"maxLen=8"`
	Name       string              `json:"name" bound:"maxBytes=MaxName"`
	ByteLength *int64              `json:"byteLength" check:"min=16,max=255"`
	OwnerID    string              `json:"ownerId" bound:"maxBytes=MaxExternalID"`
	Meta       schema.Object       `json:"meta" bound:"maxBytes=MaxMeta"`
	Expires    *int64              `json:"expires" check:"nullable,min=1,max=253402300799999"`
	Remaining  *int64              `json:"remaining" check:"min=1"`
	Ratelimit  *legacyLimitRequest `json:"ratelimit"`
}

// legacyLimitRequest is a limit as the oldest routes and the migrations write it.
type legacyLimitRequest struct {
	Async          *bool  `json:"async"`
	Type           string `json:"type" check:"enum=fast|consistent"`
	Limit          int64  `json:"limit" check:"required,min=1"`
	RefillRate     int64  `json:"refillRate" check:"required,min=1"`
	RefillInterval int64  `json:"refillInterval" check:"required,min=1" bound:"min=MinDuration,max=MaxLongDuration"`
}

// current is the limit as createKey writes it; nil for nil.
func (r *legacyLimitRequest) current() *limitRequest {
	if r == nil {
		return nil
	}
	return &limitRequest{Limit: r.Limit, RefillInterval: &r.RefillInterval}
}

func (a *API) legacyCreateKey(c *web.Call, in *legacyCreateKeyRequest) (createKeyResponse, error) {
	return a.createKey(c, &createKeyRequest{
		APIID: in.APIID, Prefix: in.Prefix, Name: in.Name, ByteLength: in.ByteLength, OwnerID: in.OwnerID,
		Meta: in.Meta, Expires: in.Expires, Remaining: in.Remaining, Ratelimit: in.Ratelimit.current(),
	})
}

type legacyVerifyKeyRequest struct {
	APIID string `json:"apiId"`
	Key   string `json:"key" check:"required,minLen=1"`
}

type legacyVerifyKeyResponse struct {
	KeyID     string             `json:"keyId,omitempty"`
	Valid     bool               `json:"valid"`
	Name      string             `json:"name,omitempty"`
	OwnerID   string             `json:"ownerId,omitempty"`
	Meta      json.RawMessage    `json:"meta,omitempty"`
	CreatedAt int64              `json:"createdAt,omitempty"`
	Expires   int64              `json:"expires,omitempty"`
	Ratelimit *ratelimitResponse `json:"ratelimit,omitempty"`
	Remaining *int64             `json:"remaining,omitempty"`
	Code      verify.Code        `json:"code,omitempty"` // of a refusal alone
}

// legacyVerifyKey answers 404 for a key that is not there, or not any more.
func (a *API) legacyVerifyKey(c *web.Call, in *legacyVerifyKeyRequest) (legacyVerifyKeyResponse, error) {
	outcome, err := a.verify(c, &verifyKeyRequest{APIID: in.APIID, Key: in.Key})
	if err != nil {
		return legacyVerifyKeyResponse{}, err
	}
	v := verifiedOf(outcome, "")
	if v.Code == verify.NotFound || v.Code == verify.Expired {
		c.SetStatus(http.StatusNotFound)
	}
	out := legacyVerifyKeyResponse{Valid: v.Valid, Ratelimit: v.Ratelimit, Remaining: v.Remaining}
	if !v.Valid {
		out.Code = v.Code
	}
	if v.Code != verify.NotFound && v.Code != verify.Expired {
		out.KeyID, out.Name, out.OwnerID, out.Meta, out.Expires = v.KeyID, v.Name, v.OwnerID, v.Meta, v.Expires
		out.CreatedAt = outcome.Key.CreatedAt
	}
	return out, nil
}

type legacyListKeysRequest struct {
	Limit   int    `json:"limit" check:"min=1,max=100,default=100"`
	Offset  *int64 `json:"offset" check:"nullable,min=0"`
	OwnerID string `json:"ownerId" check:"minLen=1"`
}

type legacyListKeysResponse struct {
	Keys  []keyResponse `json:"keys"`
	Total int64         `json:"total"`
}

// Parts implements web.Parted.
func (r legacyListKeysResponse) Parts() iter.Seq[any] {
	return web.Array(`{"keys":`, r.Keys, web.Text(`,"total":`), r.Total, web.Text("}"))
}

func (a *API) legacyListKeys(c *web.Call, in *legacyListKeysRequest) (legacyListKeysResponse, error) {
	q := store.KeyQuery{APIID: c.Param("apiId"), ExternalID: in.OwnerID, Limit: in.Limit}
	if in.Offset != nil {
		q.Skip = *in.Offset
	}
	page, err := a.store.Keys(c.Context(), access(c), q)
	if err != nil {
		return legacyListKeysResponse{}, err
	}
	return legacyListKeysResponse{rowsOf(page), page.Total}, nil
}

// defaultLimits are the limits that v1 stores on a key: one, or none.
func defaultLimits(r *limitRequest) ([]ratelimit.Limit, error) {
	limit, err := r.limit()
	if limit == nil || err != nil {
		return nil, err
	}
	return []ratelimit.Limit{*limit}, nil
}
