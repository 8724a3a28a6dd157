package unkeyv1

import (
	"iter"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/store"
)

// apiKeyRoutes are those about all the keys of an API.
func (a *API) apiKeyRoutes() []web.Route {
	d := a.dialect
	return []web.Route{
		also(get("/v1/apis.listKeys", "listKeys", rights(keys.ReadKey, keys.ReadAPI), web.Heavy(web.Query(d, a.listKeys))), keys.DecryptKey),
		post("/v1/apis.deleteApi", "deleteApi", rights(keys.DeleteAPI), web.JSON(d, a.deleteAPI)),
		post("/v1/apis.deleteKeys", "deleteKeys", rights(keys.DeleteKey), web.JSON(d, a.deleteKeys)),
	}
}

type listKeysRequest struct {
	APIID      string `json:"apiId" check:"required,minLen=1"`
	Limit      int    `json:"limit" check:"min=1,max=100,default=100"`
	Cursor     string `json:"cursor"`
	OwnerID    string `json:"ownerId" check:"minLen=1"`
	ExternalID string `json:"externalId" check:"minLen=1"`
	Decrypt    *bool  `json:"decrypt" check:"nullable"`
	Revalidate *bool  `json:"revalidateKeysCache" check:"nullable"` // accepted: an answer is never older than the request
}

type listKeysResponse struct {
	Keys   []keyResponse `json:"keys"`
	Cursor string        `json:"cursor,omitempty"`
	Total  int64         `json:"total"`
}

// Parts implements web.Parted.
func (r listKeysResponse) Parts() iter.Seq[any] {
	behind := []any{web.Text(`,"total":`), r.Total, web.Text("}")}
	if r.Cursor != "" {
		behind = append([]any{web.Text(`,"cursor":`), r.Cursor}, behind...)
	}
	return web.Array(`{"keys":`, r.Keys, behind...)
}

func (a *API) listKeys(c *web.Call, in *listKeysRequest) (listKeysResponse, error) {
	q := store.KeyQuery{
		APIID: in.APIID, ExternalID: in.ExternalID, After: in.Cursor, Limit: in.Limit,
		Decrypt: in.Decrypt != nil && *in.Decrypt,
	}
	if q.ExternalID == "" {
		q.ExternalID = in.OwnerID
	}
	page, err := a.store.Keys(c.Context(), access(c), q)
	if err != nil {
		return listKeysResponse{}, err
	}
	out := listKeysResponse{Keys: rowsOf(page), Total: page.Total}
	if n := len(out.Keys); n > 0 {
		out.Cursor = out.Keys[n-1].ID
	}
	return out, nil
}

// rowsOf are keys as lists show them: with the permissions that their roles give.
func rowsOf(page *store.KeyPage) []keyResponse {
	rows := make([]keyResponse, len(page.Keys))
	for i, d := range page.Keys {
		rows[i] = keyOf(d)
		rows[i].Environment, rows[i].Permissions = d.Key.Environment, d.Resolved.Permissions
	}
	return rows
}

type deleteAPIRequest struct {
	APIID string `json:"apiId" check:"required,minLen=1"`
}

func (a *API) deleteAPI(c *web.Call, in *deleteAPIRequest) (empty, error) {
	return empty{}, a.store.DeleteAPI(c.Context(), access(c), in.APIID)
}

type deleteKeysRequest struct {
	APIID     string `json:"apiId" check:"required,minLen=1"`
	Permanent bool   `json:"permanent"`
}

type deleteKeysResponse struct {
	DeletedKeys int64 `json:"deletedKeys"`
}

func (a *API) deleteKeys(c *web.Call, in *deleteKeysRequest) (deleteKeysResponse, error) {
	n, err := a.store.DeleteKeys(c.Context(), access(c), in.APIID, in.Permanent)
	return deleteKeysResponse{n}, err
}
