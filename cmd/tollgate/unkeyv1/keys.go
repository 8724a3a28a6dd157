package unkeyv1

import (
	"encoding/json"

	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/keys/store"
	"tollgate/refill"
)

type getKeyRequest struct {
	KeyID   string `json:"keyId" check:"required,minLen=1"`
	Decrypt *bool  `json:"decrypt" check:"nullable"`
}

type keyResponse struct {
	ID          string            `json:"id"`
	Start       string            `json:"start"`
	WorkspaceID string            `json:"workspaceId"`
	APIID       string            `json:"apiId,omitempty"`
	Name        string            `json:"name,omitempty"`
	OwnerID     string            `json:"ownerId,omitempty"`
	Meta        json.RawMessage   `json:"meta,omitempty"`
	CreatedAt   int64             `json:"createdAt"`
	UpdatedAt   int64             `json:"updatedAt,omitempty"`
	Expires     int64             `json:"expires,omitempty"`
	Remaining   *int64            `json:"remaining,omitempty"`
	Refill      *refillResponse   `json:"refill,omitempty"`
	Ratelimit   *limitResponse    `json:"ratelimit,omitempty"`
	Roles       []string          `json:"roles"`
	Permissions []string          `json:"permissions"`
	Enabled     bool              `json:"enabled"`
	Plaintext   string            `json:"plaintext,omitempty"`
	Environment string            `json:"environment,omitempty"`
	Identity    *identityResponse `json:"identity,omitempty"`
}

// Split implements web.Split.
func (k *keyResponse) Split() (row any, member json.RawMessage) {
	if len(k.Meta) == 0 {
		return k, nil
	}
	without := *k
	without.Meta = web.Elsewhere
	return &without, k.Meta
}

// keyOf is what reads show of a key, without its environment, which getKey hides.
func keyOf(d *store.Details) keyResponse {
	k, r := d.Key, d.Resolved
	out := keyResponse{
		ID: k.ID, Start: k.Start, WorkspaceID: k.WorkspaceID, APIID: k.APIID, Name: k.Name, OwnerID: ownerOf(r),
		Meta: k.Meta, CreatedAt: k.CreatedAt, UpdatedAt: k.UpdatedAt, Expires: k.Expires,
		Refill: refillOf(k, d.Now), Ratelimit: limitOf(k), Roles: r.RoleNames(), Permissions: r.Direct,
		Enabled: !k.Disabled, Plaintext: d.Secret.Reveal(), Identity: identityOf(r),
	}
	if k.HasCredits {
		out.Remaining = &d.State.Balance
	}
	return out
}

func (a *API) getKey(c *web.Call, in *getKeyRequest) (keyResponse, error) {
	details, err := a.store.Key(c.Context(), access(c), in.KeyID, in.Decrypt != nil && *in.Decrypt)
	if err != nil {
		return keyResponse{}, err
	}
	return keyOf(details), nil
}

type updateKeyRequest struct {
	KeyID       string                      `json:"keyId" check:"required"`
	Name        schema.Maybe[string]        `json:"name" bound:"maxBytes=MaxName"`
	OwnerID     schema.Maybe[string]        `json:"ownerId" bound:"maxBytes=MaxExternalID"`
	ExternalID  schema.Maybe[string]        `json:"externalId" bound:"maxBytes=MaxExternalID"`
	Meta        schema.Maybe[schema.Object] `json:"meta" bound:"maxBytes=MaxMeta"`
	Expires     schema.Maybe[int64]         `json:"expires" check:"min=1,max=253402300799999"`
	Ratelimit   schema.Maybe[limitRequest]  `json:"ratelimit"`
	Remaining   schema.Maybe[int64]         `json:"remaining" bound:"min=0"`
	Refill      schema.Maybe[refillRequest] `json:"refill"`
	Enabled     *bool                       `json:"enabled"`
	Roles       *[]refRequest               `json:"roles" bound:"maxItems=MaxKeyRefs"`
	Permissions *[]refRequest               `json:"permissions" bound:"maxItems=MaxKeyRefs"`
}

// patch is the change that the request describes.
func (in *updateKeyRequest) patch() (keys.KeyPatch, error) {
	p := keys.KeyPatch{
		Name: change(in.Name), ExternalID: change(in.ExternalID), Expires: change(in.Expires), Remaining: change(in.Remaining),
		Meta: keys.Change[[]byte]{Set: in.Meta.Set, Value: (*[]byte)(in.Meta.Pointer())},
	}
	if err := keys.CheckExternalID("ownerId", in.OwnerID.Value); err != nil {
		return p, err
	}
	if !p.ExternalID.Set {
		p.ExternalID = change(in.OwnerID)
	}
	if in.Enabled != nil {
		p.Disabled = keys.To(!*in.Enabled)
	}
	schedule, err := in.Refill.Pointer().schedule()
	if err != nil {
		return p, err
	}
	p.Refill = keys.Change[refill.Schedule]{Set: in.Refill.Set, Value: schedule}
	if p.Limit, err = in.Ratelimit.Pointer().limit(); err != nil {
		return p, err
	}
	if in.Ratelimit.Null {
		p.DropLimit = defaultLimit
	}
	return p, in.patchRefs(&p)
}

func (in *updateKeyRequest) patchRefs(p *keys.KeyPatch) error {
	for _, list := range []struct {
		field string
		items *[]refRequest
		into  *keys.Change[[]keys.Ref]
	}{{"roles", in.Roles, &p.Roles}, {"permissions", in.Permissions, &p.Permissions}} {
		if list.items == nil {
			continue
		}
		all, err := refs(list.field, *list.items)
		if err != nil {
			return err
		}
		*list.into = keys.To(all)
	}
	return nil
}

func (a *API) updateKey(c *web.Call, in *updateKeyRequest) (empty, error) {
	patch, err := in.patch()
	if err != nil {
		return empty{}, err
	}
	return empty{}, a.store.UpdateKey(c.Context(), access(c), in.KeyID, patch)
}

type updateRemainingRequest struct {
	KeyID string              `json:"keyId" check:"required"`
	Op    string              `json:"op" check:"required,enum=increment|decrement|set"`
	Value schema.Maybe[int64] `json:"value" check:"required" bound:"min=0"`
}

type updateRemainingResponse struct {
	Remaining *int64 `json:"remaining"`
}

func (a *API) updateRemaining(c *web.Call, in *updateRemainingRequest) (updateRemainingResponse, error) {
	remaining, _, err := a.store.UpdateCredits(c.Context(), access(c), in.KeyID, keys.CreditsOperation(in.Op), in.Value.Pointer())
	return updateRemainingResponse{remaining}, err
}

type deleteKeyRequest struct {
	KeyID     string `json:"keyId" check:"required,minLen=1"`
	Permanent bool   `json:"permanent"`
}

func (a *API) deleteKey(c *web.Call, in *deleteKeyRequest) (empty, error) {
	return empty{}, a.store.DeleteKey(c.Context(), access(c), in.KeyID, in.Permanent)
}
