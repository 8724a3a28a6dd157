package unkeyv2

import (
	"encoding/json"
	"maps"
	"slices"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys/audit"
)

// The audit log is Tollgate's own: Unkey shows it in its dashboard alone.

type listEntriesRequest struct {
	Limit    int64  `json:"limit" check:"min=1,max=100,default=100"`
	Cursor   string `json:"cursor" doc:"From the answer before: the older entries behind it."`
	Actor    string `json:"actor" check:"maxLen=255" doc:"Only what this root key asked for, by its id or name; or root_key, operator or environment."`
	Action   string `json:"action" check:"maxLen=64" doc:"Only this action, such as key.delete; or those of a resource, such as key. with its dot."`
	Resource string `json:"resourceId" check:"maxLen=255" doc:"Only what is about the thing with this id."`
	Since    *int64 `json:"since" check:"min=1" bound:"max=MaxTime" doc:"Unix milliseconds: nothing older."`
	Until    *int64 `json:"until" check:"min=1" bound:"max=MaxTime" doc:"Unix milliseconds: nothing of this moment or newer."`
}

type entryResponse struct {
	Action    string             `json:"action"`
	Actor     actorResponse      `json:"actor"`
	Address   string             `json:"address,omitempty"`
	Counts    []countResponse    `json:"counts,omitempty"`
	Cut       bool               `json:"cut,omitempty"`
	ID        string             `json:"id"`
	Refusal   *refusalResponse   `json:"refusal,omitempty"`
	RequestID string             `json:"requestId,omitempty"`
	Resources []resourceResponse `json:"resources,omitempty"`
	State     string             `json:"state"`
	Time      int64              `json:"time"`
}

type actorResponse struct {
	Command string `json:"command,omitempty"`
	ID      string `json:"id,omitempty"`
	Name    string `json:"name,omitempty"`
	Type    string `json:"type"`
	User    string `json:"user,omitempty"`
}

type countResponse struct {
	Count int64  `json:"count"`
	Of    string `json:"of"`
}

type refusalResponse struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type resourceResponse struct {
	After  json.RawMessage `json:"after,omitempty"`
	Before json.RawMessage `json:"before,omitempty"`
	ID     string          `json:"id,omitempty"`
	Name   string          `json:"name,omitempty"`
	Type   string          `json:"type"`
}

func (a *API) listEntries(c *web.Call, in *listEntriesRequest) (page[entryResponse], error) {
	query := audit.Query{Limit: int(in.Limit), Before: in.Cursor, Actor: in.Actor, Action: audit.Name(in.Action), Resource: in.Resource}
	if in.Since != nil {
		query.Since = *in.Since
	}
	if in.Until != nil {
		query.Until = *in.Until
	}
	found, err := a.store.Audit.Entries(c.Context(), access(c), query)
	return page[entryResponse]{mapped(found.Rows, entryOf), found.Next}, err
}

func entryOf(e audit.Entry) entryResponse {
	out := entryResponse{
		Action: string(e.Action), Actor: actorResponse{e.Actor.Command, e.Actor.ID, e.Actor.Name, string(e.Actor.Type), e.Actor.User}, Address: e.Address,
		Cut: e.Cut, ID: e.ID, RequestID: e.RequestID, State: string(e.State), Time: e.Time,
		Resources: mapped(e.Resources, func(r audit.Resource) resourceResponse {
			return resourceResponse{r.After, r.Before, r.ID, r.Name, r.Type}
		}),
	}
	for _, of := range slices.Sorted(maps.Keys(e.Counts)) {
		out.Counts = append(out.Counts, countResponse{e.Counts[of], of})
	}
	if e.Refusal != nil {
		out.Refusal = &refusalResponse{e.Refusal.Code, e.Refusal.Message}
	}
	return out
}
