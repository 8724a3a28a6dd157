package unkeyv2

import (
	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/ratelimit"
)

type createIdentityRequest struct {
	ExternalID string         `json:"externalId" check:"required,minLen=1,maxLen=255" pattern:"^[a-zA-Z0-9_.-]+$"`
	Meta       schema.Object  `json:"meta" check:"maxProps=100" bound:"maxBytes=MaxMeta"`
	Ratelimits []limitRequest `json:"ratelimits" check:"maxItems=50"`
}

type createIdentityResponse struct {
	IdentityID string `json:"identityId"`
}

func (a *API) createIdentity(c *web.Call, in *createIdentityRequest) (createIdentityResponse, error) {
	made, err := a.store.CreateIdentity(c.Context(), access(c), keys.IdentityDraft{
		ExternalID: in.ExternalID, Meta: in.Meta, Limits: limits(in.Ratelimits),
	})
	if err != nil {
		return createIdentityResponse{}, err
	}
	return createIdentityResponse{made.ID}, nil
}

// identityRequest names an identity, by its id or its external id.
type identityRequest struct {
	Identity string `json:"identity" check:"required,minLen=1"`
}

func (r *identityRequest) ref() keys.IdentityRef {
	return keys.IdentityRef{ID: r.Identity, ExternalID: r.Identity}
}

func (a *API) getIdentity(c *web.Call, in *identityRequest) (*identityResponse, error) {
	found, err := a.store.Identity(c.Context(), access(c), in.ref())
	if err != nil {
		return nil, err
	}
	return identityOf(found), nil
}

// listRequest asks for a page of a list.
type listRequest struct {
	Limit  int64  `json:"limit" check:"min=1,max=100,default=100"`
	Cursor string `json:"cursor" check:"maxLen=1024"`
	Search string `json:"search" check:"maxLen=256"`
}

func (r *listRequest) ask() catalog.ListOptions {
	return catalog.ListOptions{Limit: int(r.Limit), From: r.Cursor, Search: r.Search}
}

func (a *API) listIdentities(c *web.Call, in *listRequest) (page[*identityResponse], error) {
	found, err := a.store.Identities(c.Context(), access(c), in.ask())
	return page[*identityResponse]{mapped(found.Rows, identityOf), found.Next}, err
}

type updateIdentityRequest struct {
	identityRequest
	Meta       *schema.Object  `json:"meta" check:"maxProps=100" bound:"maxBytes=MaxMeta"`
	Ratelimits *[]limitRequest `json:"ratelimits" check:"maxItems=50"`
}

func (a *API) updateIdentity(c *web.Call, in *updateIdentityRequest) (*identityResponse, error) {
	patch := keys.IdentityPatch{Meta: keys.Change[[]byte]{Set: in.Meta != nil, Value: (*[]byte)(in.Meta)}}
	if in.Ratelimits != nil {
		all := limits(*in.Ratelimits)
		patch.Limits = keys.Change[[]ratelimit.Limit]{Set: true, Value: &all}
	}
	found, err := a.store.UpdateIdentity(c.Context(), access(c), in.ref(), patch)
	if err != nil {
		return nil, err
	}
	return identityOf(found), nil
}

// deleteIdentityResponse is the one answer without data.
type deleteIdentityResponse struct {
	Meta meta `json:"meta"`
}

func (a *API) deleteIdentity(c *web.Call, in *identityRequest) (deleteIdentityResponse, error) {
	return deleteIdentityResponse{metaOf(c)}, a.store.DeleteIdentity(c.Context(), access(c), in.ref())
}
