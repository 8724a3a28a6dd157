package unkeyv2

import (
	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/verify"
)

// useRequest asks for a use of an identifier in a namespace, by name or id.
type useRequest struct {
	Namespace  string `json:"namespace" check:"required,minLen=1,maxLen=512"`
	Cost       int64  `json:"cost" check:"min=0,default=1"`
	Duration   int64  `json:"duration" check:"required,min=1000,max=2592000000"`
	Identifier string `json:"identifier" check:"required,minLen=1,maxLen=512"`
	Limit      int64  `json:"limit" check:"required,min=1"`
}

func (r useRequest) check() verify.LimitCheck {
	return verify.LimitCheck{Namespace: r.Namespace, Identifier: r.Identifier, Limit: r.Limit, Duration: r.Duration, Cost: verify.Costs(r.Cost)}
}

type useResponse struct {
	Limit      int64  `json:"limit"`
	OverrideID string `json:"overrideId,omitempty"`
	Remaining  int64  `json:"remaining"`
	Reset      int64  `json:"reset"`
	Success    bool   `json:"success"`
}

func (a *API) limit(c *web.Call, in *useRequest) (useResponse, error) {
	checks := []verify.LimitCheck{in.check()}
	all, passed, err := a.verifier.Limit(c.Context(), access(c), checks)
	if err != nil {
		return useResponse{}, err
	}
	limits := verify.LimitVerdicts{Checks: checks, Verdicts: all, Passed: passed}
	c.SetLimits(&limits, limits.RetryAfter())
	return useResponse{all[0].Limit, all[0].OverrideID, all[0].Remaining, all[0].Reset, passed}, nil
}

type usesResponse struct {
	Limits []oneUseResponse `json:"limits"`
	Passed bool             `json:"passed"`
}

type oneUseResponse struct {
	Identifier string `json:"identifier"`
	Limit      int64  `json:"limit"`
	Namespace  string `json:"namespace"`
	OverrideID string `json:"overrideId,omitempty"`
	Passed     bool   `json:"passed"`
	Remaining  int64  `json:"remaining"`
	Reset      int64  `json:"reset"`
}

// multiLimit takes all of the uses or none.
func (a *API) multiLimit(c *web.Call, in *[]useRequest) (usesResponse, error) {
	checks := mapped(*in, useRequest.check)
	all, passed, err := a.verifier.Limit(c.Context(), access(c), checks)
	if err != nil {
		return usesResponse{}, err
	}
	limits := verify.LimitVerdicts{Checks: checks, Verdicts: all, Passed: passed}
	c.SetLimits(&limits, limits.RetryAfter())
	out := usesResponse{make([]oneUseResponse, len(all)), passed}
	for i, v := range all {
		asked := (*in)[i]
		out.Limits[i] = oneUseResponse{asked.Identifier, v.Limit, asked.Namespace, v.OverrideID, v.Passed, v.Remaining, v.Reset}
	}
	return out, nil
}

// spaceRequest names a namespace, by name or id.
type spaceRequest struct {
	Namespace string `json:"namespace" check:"required,minLen=1,maxLen=512"`
}

func (r *spaceRequest) ref() keys.NamespaceRef { return keys.NamespaceRef{Name: r.Namespace} }

type overrideRequest struct {
	spaceRequest
	Identifier string `json:"identifier" check:"required,minLen=1,maxLen=512"`
}

type setOverrideRequest struct {
	overrideRequest
	Duration int64 `json:"duration" check:"required,min=1000" bound:"max=MaxDuration"`
	Limit    int64 `json:"limit" check:"required,min=0"`
}

type setOverrideResponse struct {
	OverrideID string `json:"overrideId"`
}

func (a *API) setOverride(c *web.Call, in *setOverrideRequest) (setOverrideResponse, error) {
	id, err := a.store.SetOverride(c.Context(), access(c), in.ref(), keys.Override{Identifier: in.Identifier, Limit: in.Limit, Duration: in.Duration})
	return setOverrideResponse{id}, err
}

type overrideResponse struct {
	Duration   int64  `json:"duration"`
	Identifier string `json:"identifier"`
	Limit      int64  `json:"limit"`
	OverrideID string `json:"overrideId"`
}

func overrideOf(o keys.Override) overrideResponse {
	return overrideResponse{o.Duration, o.Identifier, o.Limit, o.ID}
}

// getOverride returns the override that a use of the identifier would be limited by.
func (a *API) getOverride(c *web.Call, in *overrideRequest) (overrideResponse, error) {
	found, err := a.store.GetOverride(c.Context(), access(c), in.ref(), in.Identifier, true)
	if err != nil {
		return overrideResponse{}, masked(err, keys.NamespaceNotFound(in.ref()))
	}
	return overrideOf(*found), nil
}

type listOverridesRequest struct {
	spaceRequest
	Cursor string `json:"cursor"`
	Limit  int64  `json:"limit" check:"min=1,max=100,default=10"`
}

func (a *API) listOverrides(c *web.Call, in *listOverridesRequest) (page[overrideResponse], error) {
	found, err := a.store.ListOverrides(c.Context(), access(c), in.ref(), catalog.OverrideCursor{From: in.Cursor}, int(in.Limit))
	if err != nil {
		return page[overrideResponse]{}, err
	}
	return page[overrideResponse]{mapped(found.Overrides, overrideOf), found.Next}, nil
}

func (a *API) deleteOverride(c *web.Call, in *overrideRequest) (empty, error) {
	return empty{}, a.store.DeleteOverride(c.Context(), access(c), in.ref(), in.Identifier)
}
