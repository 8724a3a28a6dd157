package unkeyv1

import (
	"encoding/json"
	"unicode/utf8"

	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/ratelimit"
)

// identityRoutes are those of identities.
func (a *API) identityRoutes() []web.Route {
	d := a.dialect
	return []web.Route{
		post("/v1/identities.createIdentity", "createIdentity", rights(keys.CreateIdentity), web.JSON(d, a.createIdentity)),
		get("/v1/identities.getIdentity", "getIdentity", rights(keys.ReadIdentity), web.Query(d, a.getIdentity)),
		get("/v1/identities.listIdentities", "listIdentities", rights(keys.ReadIdentity), web.Heavy(web.Query(d, a.listIdentities))),
		post("/v1/identities.updateIdentity", "updateIdentity", rights(keys.UpdateIdentity), web.JSON(d, a.updateIdentity)),
		post("/v1/identities.deleteIdentity", "deleteIdentity", rights(keys.DeleteIdentity), web.JSON(d, a.deleteIdentity)),
	}
}

// sharedLimit is a limit of an identity, in requests and answers. It applies where a
// verification names it.
type sharedLimit struct {
	Name     string `json:"name" check:"required" bound:"minLen=1,maxBytes=MaxExternalID"`
	Limit    int64  `json:"limit" check:"required,min=1"`
	Duration int64  `json:"duration" check:"required,min=1000" bound:"max=MaxLongDuration"`
}

func sharedLimits(all []sharedLimit) []ratelimit.Limit {
	limits := make([]ratelimit.Limit, len(all))
	for i, l := range all {
		limits[i] = ratelimit.Limit{Name: l.Name, Limit: l.Limit, Duration: l.Duration}
	}
	return limits
}

func sharedLimitsOf(i *keys.Identity) []sharedLimit {
	all := make([]sharedLimit, len(i.Limits))
	for n, l := range i.Limits {
		all[n] = sharedLimit{l.Name, l.Limit, l.Duration}
	}
	return all
}

// maxIdentityMeta is how long v1 lets an identity's meta be, in characters of JSON.
const maxIdentityMeta = 64_000

func checkIdentityMeta(meta []byte) error {
	if utf8.RuneCount(meta) > maxIdentityMeta {
		return keys.Invalidf("meta", "at most %d characters of JSON", maxIdentityMeta)
	}
	return nil
}

type createIdentityRequest struct {
	ExternalID string        `json:"externalId" check:"required,minLen=3" bound:"maxBytes=MaxExternalID"`
	Meta       schema.Object `json:"meta" bound:"maxChars=MaxIdentityMeta"`
	Ratelimits []sharedLimit `json:"ratelimits" bound:"maxItems=MaxKeyLimits"`
}

type createIdentityResponse struct {
	IdentityID string `json:"identityId"`
}

func (a *API) createIdentity(c *web.Call, in *createIdentityRequest) (createIdentityResponse, error) {
	if err := checkIdentityMeta(in.Meta); err != nil {
		return createIdentityResponse{}, err
	}
	i, err := a.store.CreateIdentity(c.Context(), access(c), keys.IdentityDraft{
		ExternalID: in.ExternalID, Meta: in.Meta, Limits: sharedLimits(in.Ratelimits)})
	if err != nil {
		return createIdentityResponse{}, err
	}
	return createIdentityResponse{i.ID}, nil
}

type getIdentityRequest struct {
	IdentityID *string `json:"identityId" check:"minLen=1"`
	ExternalID *string `json:"externalId" check:"minLen=1"`
}

// ref is the identity that the request means: by its id, where that is there.
func (in *getIdentityRequest) ref() (keys.IdentityRef, error) {
	switch {
	case in.IdentityID != nil:
		return keys.IdentityRef{ID: *in.IdentityID}, nil
	case in.ExternalID != nil:
		return keys.IdentityRef{ExternalID: *in.ExternalID}, nil
	}
	return keys.IdentityRef{}, keys.Invalidf("identityId", "give an identityId or an externalId")
}

type identityWithLimits struct {
	ID         string          `json:"id"`
	ExternalID string          `json:"externalId"`
	Meta       json.RawMessage `json:"meta"`
	Ratelimits []sharedLimit   `json:"ratelimits"`
}

func identityWithLimitsOf(i *keys.Identity) identityWithLimits {
	meta := json.RawMessage(i.Meta)
	if len(meta) == 0 {
		meta = json.RawMessage("{}")
	}
	return identityWithLimits{i.ID, i.ExternalID, meta, sharedLimitsOf(i)}
}

func (a *API) getIdentity(c *web.Call, in *getIdentityRequest) (identityWithLimits, error) {
	ref, err := in.ref()
	if err != nil {
		return identityWithLimits{}, err
	}
	i, err := a.store.Identity(c.Context(), access(c), ref)
	if err != nil {
		return identityWithLimits{}, err
	}
	return identityWithLimitsOf(i), nil
}

type listIdentitiesRequest struct {
	Environment string `json:"environment" check:"default=default"`
	Limit       int    `json:"limit" check:"min=1,max=100,default=100"`
	Cursor      string `json:"cursor"`
}

type listIdentitiesResponse struct {
	Identities []listedIdentity `json:"identities"`
	Cursor     string           `json:"cursor,omitempty"`
	Total      int64            `json:"total"`
}

type listedIdentity struct {
	ID         string        `json:"id"`
	ExternalID string        `json:"externalId"`
	Ratelimits []sharedLimit `json:"ratelimits"`
}

func (a *API) listIdentities(c *web.Call, in *listIdentitiesRequest) (listIdentitiesResponse, error) {
	page, err := a.store.Identities(c.Context(), access(c), catalog.ListOptions{Limit: in.Limit, After: in.Cursor, Environment: in.Environment})
	if err != nil {
		return listIdentitiesResponse{}, err
	}
	out := listIdentitiesResponse{Identities: []listedIdentity{}, Total: page.Total}
	for _, i := range page.Rows {
		out.Identities = append(out.Identities, listedIdentity{i.ID, i.ExternalID, sharedLimitsOf(i)})
		out.Cursor = i.ID
	}
	return out, nil
}

type updateIdentityRequest struct {
	getIdentityRequest
	Environment string         `json:"environment" check:"default=default"`
	Meta        schema.Object  `json:"meta" bound:"maxChars=MaxIdentityMeta"`
	Ratelimits  *[]sharedLimit `json:"ratelimits" bound:"maxItems=MaxKeyLimits"`
}

// patch is the change that the request describes.
func (in *updateIdentityRequest) patch() keys.IdentityPatch {
	p := keys.IdentityPatch{KeepAutoApply: true}
	if in.Meta != nil {
		p.Meta = keys.To([]byte(in.Meta))
	}
	if in.Ratelimits != nil {
		p.Limits = keys.To(sharedLimits(*in.Ratelimits))
	}
	return p
}

func (a *API) updateIdentity(c *web.Call, in *updateIdentityRequest) (identityWithLimits, error) {
	ref, err := in.ref()
	if err != nil {
		return identityWithLimits{}, err
	}
	if err := checkIdentityMeta(in.Meta); err != nil {
		return identityWithLimits{}, err
	}
	ref.Environment = in.Environment
	i, err := a.store.UpdateIdentity(c.Context(), access(c), ref, in.patch())
	if err != nil {
		return identityWithLimits{}, err
	}
	return identityWithLimitsOf(i), nil
}

type deleteIdentityRequest struct {
	IdentityID string `json:"identityId" check:"required,minLen=1"`
}

func (a *API) deleteIdentity(c *web.Call, in *deleteIdentityRequest) (empty, error) {
	return empty{}, a.store.DeleteIdentity(c.Context(), access(c), keys.IdentityRef{ID: in.IdentityID})
}
