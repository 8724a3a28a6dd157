package unkeyv1

import (
	"tollgate/cmd/tollgate/web"
)

type livenessResponse struct {
	Status   string   `json:"status"`
	Services services `json:"services"`
}

type services struct {
	Metrics    string `json:"metrics"`
	Logger     string `json:"logger"`
	Ratelimit  string `json:"ratelimit"`
	Usagelimit string `json:"usagelimit"`
}

func liveness(*web.Call) (livenessResponse, error) {
	return livenessResponse{"we're so back", services{"prometheus", "slog", "redis", "redis"}}, nil
}

type createAPIRequest struct {
	Name string `json:"name" check:"required,minLen=3" bound:"maxLen=MaxAPIName"`
}

type createAPIResponse struct {
	APIID string `json:"apiId"`
	Name  string `json:"name"`
}

func (a *API) createAPI(c *web.Call, in *createAPIRequest) (createAPIResponse, error) {
	api, err := a.store.CreateAPI(c.Context(), access(c), in.Name)
	if err != nil {
		return createAPIResponse{}, err
	}
	return createAPIResponse{api.ID, api.Name}, nil
}

type getAPIRequest struct {
	APIID string `json:"apiId" check:"required,minLen=1"`
}

type getAPIResponse struct {
	ID          string `json:"id"`
	WorkspaceID string `json:"workspaceId"`
	Name        string `json:"name"`
}

func (a *API) getAPI(c *web.Call, in *getAPIRequest) (getAPIResponse, error) {
	api, err := a.store.API(c.Context(), access(c), in.APIID)
	if err != nil {
		return getAPIResponse{}, err
	}
	return getAPIResponse{api.ID, api.WorkspaceID, api.Name}, nil
}
