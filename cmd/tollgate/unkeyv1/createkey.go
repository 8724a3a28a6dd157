package unkeyv1

import (
	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/ratelimit"
)

type createKeyRequest struct {
	APIID       string         `json:"apiId" check:"required"`
	Prefix      string         `json:"prefix" check:"maxLen=16"`
	Name        string         `json:"name" bound:"maxBytes=MaxName"`
	ByteLength  *int64         `json:"byteLength" check:"min=16,max=255"`
	OwnerID     string         `json:"ownerId" bound:"maxBytes=MaxExternalID"`
	ExternalID  string         `json:"externalId" bound:"maxBytes=MaxExternalID"`
	Meta        schema.Object  `json:"meta" bound:"maxBytes=MaxMeta"`
	Roles       []string       `json:"roles" items:"minLen=1,maxLen=512" bound:"maxItems=MaxKeyRefs"`
	Permissions []string       `json:"permissions" items:"minLen=1,maxLen=512" bound:"maxItems=MaxKeyRefs" itemsBoundPattern:"Slug"`
	Expires     *int64         `json:"expires" check:"nullable,min=1,max=253402300799999"`
	Remaining   *int64         `json:"remaining" check:"min=1"`
	Refill      *refillRequest `json:"refill"`
	Ratelimit   *limitRequest  `json:"ratelimit"`
	Enabled     *bool          `json:"enabled"`
	Recoverable bool           `json:"recoverable"`
	Environment string         `json:"environment" check:"maxLen=256"`
}

// draft is the key that the request describes.
func (in *createKeyRequest) draft() (keys.KeyDraft, error) {
	d := keys.KeyDraft{
		APIID: in.APIID, Prefix: in.Prefix, Header: true, Name: in.Name, ExternalID: in.ExternalID, Meta: in.Meta,
		Roles: keys.Named(in.Roles, catalog.Create), Permissions: keys.Named(in.Permissions, catalog.Create),
		Remaining: in.Remaining, Disabled: in.Enabled != nil && !*in.Enabled,
		Recoverable: in.Recoverable, Environment: in.Environment,
	}
	if d.ExternalID == "" {
		d.ExternalID = in.OwnerID
	}
	if in.ByteLength != nil {
		d.SecretBytes = int(*in.ByteLength)
	}
	if in.Expires != nil {
		d.Expires = *in.Expires
	}
	err := keys.CheckExternalID("ownerId", in.OwnerID)
	if err != nil {
		return d, err
	}
	if d.Refill, err = in.Refill.schedule(); err != nil {
		return d, err
	}
	limit, err := in.Ratelimit.limit()
	if limit != nil {
		d.Limits = []ratelimit.Limit{*limit}
	}
	return d, err
}

type createKeyResponse struct {
	KeyID string `json:"keyId"`
	Key   string `json:"key"`
}

func (a *API) createKey(c *web.Call, in *createKeyRequest) (createKeyResponse, error) {
	draft, err := in.draft()
	if err != nil {
		return createKeyResponse{}, err
	}
	made, err := a.store.CreateKey(c.Context(), access(c), draft)
	if err != nil {
		return createKeyResponse{}, err
	}
	return createKeyResponse{made.ID, made.Secret.Reveal()}, nil
}
