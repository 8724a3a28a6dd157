package unkeyv1

import (
	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/verify"
)

// ratelimitRoutes are the limits that are of no key.
func (a *API) ratelimitRoutes() []web.Route {
	d := a.dialect
	return []web.Route{
		also(post("/v1/ratelimits.limit", "limit", rights(keys.UseRatelimit), web.JSON(d, a.limit)), keys.CreateNamespace),
		post("/v1/ratelimits.setOverride", "setOverride", rights(keys.SetOverride), web.Heavy(web.JSON(d, a.setOverride))),
		get("/v1/ratelimits.getOverride", "getOverride", rights(keys.ReadOverride), web.Heavy(web.Query(d, a.getOverride))),
		get("/v1/ratelimits.listOverrides", "listOverrides", rights(keys.ReadOverride), web.Heavy(web.Query(d, a.listOverrides))),
		post("/v1/ratelimits.deleteOverride", "deleteOverride", rights(keys.DeleteOverride), web.Heavy(web.JSON(d, a.deleteOverride))),
	}
}

type useRequest struct {
	Namespace  string            `json:"namespace" check:"default=default" bound:"minLen=1,maxLen=MaxNamespaceName"`
	Identifier string            `json:"identifier" check:"required" bound:"minLen=1,maxLen=MaxIdentifier"`
	Limit      int64             `json:"limit" check:"required,exclusiveMin=0"`
	Duration   int64             `json:"duration" check:"required,min=1000" bound:"max=MaxLongDuration"`
	Cost       int64             `json:"cost" check:"min=0,default=1"`
	Async      bool              `json:"async"`     // accepted: every decision is exact
	Meta       schema.Object     `json:"meta"`      // accepted, as upstream
	Resources  []resourceRequest `json:"resources"` // accepted: there is no audit log
}

type resourceRequest struct {
	Type string        `json:"type" check:"required"`
	ID   string        `json:"id" check:"required"`
	Name string        `json:"name"`
	Meta schema.Object `json:"meta"`
}

type useResponse struct {
	Success   bool  `json:"success"`
	Limit     int64 `json:"limit"`
	Remaining int64 `json:"remaining"`
	Reset     int64 `json:"reset"`
}

func (a *API) limit(c *web.Call, in *useRequest) (useResponse, error) {
	checks := []verify.LimitCheck{{
		Namespace: in.Namespace, Identifier: in.Identifier, Limit: in.Limit, Duration: in.Duration, Cost: verify.Costs(in.Cost),
	}}
	all, passed, err := a.verifier.Limit(c.Context(), access(c), checks)
	if err != nil {
		return useResponse{}, err
	}
	limits := verify.LimitVerdicts{Checks: checks, Verdicts: all, Passed: passed}
	c.SetLimits(&limits, limits.RetryAfter())
	return useResponse{passed, all[0].Limit, all[0].Remaining, all[0].Reset}, nil
}

// namespaceParams name a namespace; the id wins.
type namespaceParams struct {
	NamespaceID   string `json:"namespaceId"`
	NamespaceName string `json:"namespaceName"`
}

func (p *namespaceParams) ref() (keys.NamespaceRef, error) {
	switch {
	case p.NamespaceID != "":
		return keys.NamespaceRef{ID: p.NamespaceID}, nil
	case p.NamespaceName != "":
		return keys.NamespaceRef{Name: p.NamespaceName}, nil
	}
	return keys.NamespaceRef{}, keys.Invalidf("namespaceId", "required, or namespaceName in its place")
}

type setOverrideRequest struct {
	namespaceParams
	Identifier string `json:"identifier" check:"required,minLen=3" bound:"maxLen=MaxIdentifier"`
	Limit      int64  `json:"limit" check:"required,min=0"`
	Duration   int64  `json:"duration" check:"required,min=1000" bound:"max=MaxLongDuration"`
	Async      bool   `json:"async"`
}

type setOverrideResponse struct {
	OverrideID string `json:"overrideId"`
}

func (a *API) setOverride(c *web.Call, in *setOverrideRequest) (setOverrideResponse, error) {
	ref, err := in.ref()
	if err != nil {
		return setOverrideResponse{}, err
	}
	id, err := a.store.SetOverride(c.Context(), access(c), ref, keys.Override{
		Identifier: in.Identifier, Limit: in.Limit, Duration: in.Duration, Async: in.Async,
	})
	return setOverrideResponse{id}, err
}

type overrideRequest struct {
	namespaceParams
	Identifier string `json:"identifier" check:"required"`
}

type overrideResponse struct {
	ID         string `json:"id"`
	Identifier string `json:"identifier"`
	Limit      int64  `json:"limit"`
	Duration   int64  `json:"duration"`
	Async      bool   `json:"async"`
}

func overrideOf(o *keys.Override) overrideResponse {
	return overrideResponse{o.ID, o.Identifier, o.Limit, o.Duration, o.Async}
}

func (a *API) getOverride(c *web.Call, in *overrideRequest) (overrideResponse, error) {
	ref, err := in.ref()
	if err != nil {
		return overrideResponse{}, err
	}
	o, err := a.store.GetOverride(c.Context(), access(c), ref, in.Identifier, false)
	if err != nil {
		return overrideResponse{}, err
	}
	return overrideOf(o), nil
}

type listOverridesRequest struct {
	namespaceParams
	Limit  int64  `json:"limit" check:"min=1,max=100,default=100"`
	Cursor string `json:"cursor"`
}

type listOverridesResponse struct {
	Overrides []overrideResponse `json:"overrides"`
	Cursor    string             `json:"cursor,omitempty"`
	Total     int                `json:"total"`
}

func (a *API) listOverrides(c *web.Call, in *listOverridesRequest) (listOverridesResponse, error) {
	ref, err := in.ref()
	if err != nil {
		return listOverridesResponse{}, err
	}
	page, err := a.store.ListOverrides(c.Context(), access(c), ref, catalog.OverrideCursor{After: in.Cursor}, int(in.Limit))
	if err != nil {
		return listOverridesResponse{}, err
	}
	out := listOverridesResponse{Overrides: make([]overrideResponse, len(page.Overrides)), Total: page.Total}
	for i := range page.Overrides {
		out.Overrides[i] = overrideOf(&page.Overrides[i])
		if page.Next != "" {
			out.Cursor = out.Overrides[i].ID
		}
	}
	return out, nil
}

func (a *API) deleteOverride(c *web.Call, in *overrideRequest) (empty, error) {
	ref, err := in.ref()
	if err != nil {
		return empty{}, err
	}
	return empty{}, a.store.DeleteOverride(c.Context(), access(c), ref, in.Identifier)
}
