package unkeyv2

import (
	"tollgate/cmd/tollgate/web"
	"tollgate/keys/store"
)

type livenessResponse struct {
	Message string `json:"message"`
}

func liveness(c *web.Call) (envelope[livenessResponse], error) {
	return envelope[livenessResponse]{livenessResponse{"we're cooking"}, metaOf(c)}, nil
}

type createAPIRequest struct {
	Name string `json:"name" check:"required,minLen=3,maxLen=256"`
}

type createAPIResponse struct {
	APIID string `json:"apiId"`
}

func (a *API) createAPI(c *web.Call, in *createAPIRequest) (createAPIResponse, error) {
	api, err := a.store.CreateAPI(c.Context(), access(c), in.Name)
	if err != nil {
		return createAPIResponse{}, err
	}
	return createAPIResponse{api.ID}, nil
}

type apiRequest struct {
	APIID string `json:"apiId" check:"required,minLen=8,maxLen=255" pattern:"^[a-zA-Z0-9_]+$"`
}

type apiResponse struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func (a *API) getAPI(c *web.Call, in *apiRequest) (apiResponse, error) {
	api, err := a.store.API(c.Context(), access(c), in.APIID)
	if err != nil {
		return apiResponse{}, err
	}
	return apiResponse{api.ID, api.Name}, nil
}

func (a *API) deleteAPI(c *web.Call, in *apiRequest) (empty, error) {
	return empty{}, a.store.DeleteAPI(c.Context(), access(c), in.APIID)
}

type listKeysRequest struct {
	APIID      string `json:"apiId" check:"required,minLen=1"`
	Limit      int64  `json:"limit" check:"min=1,max=100,default=100"`
	Cursor     string `json:"cursor"`
	ExternalID string `json:"externalId" check:"minLen=1"`
	Decrypt    bool   `json:"decrypt"`
	Revalidate bool   `json:"revalidateKeysCache" doc:"Accepted: what is listed is never cached."`
}

func (a *API) listKeys(c *web.Call, in *listKeysRequest) (page[keyResponse], error) {
	found, err := a.store.Keys(c.Context(), access(c), store.KeyQuery{
		APIID: in.APIID, ExternalID: in.ExternalID, From: in.Cursor, Limit: int(in.Limit), Decrypt: in.Decrypt,
	})
	if err != nil {
		return page[keyResponse]{}, maskedOf(c, in.APIID, err)
	}
	all, err := a.shown(c.Context(), found.Keys...)
	return page[keyResponse]{all, found.Next}, err
}
