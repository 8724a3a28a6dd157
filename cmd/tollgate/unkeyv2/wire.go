package unkeyv2

import (
	"context"
	"encoding/json"
	"slices"

	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/keys/store"
	"tollgate/ratelimit"
	"tollgate/refill"
)

// refillRequest is a refill as v2 writes it.
type refillRequest struct {
	Interval string `json:"interval" check:"required,enum=daily|monthly"`
	Amount   int64  `json:"amount" check:"required,min=1"`
	Day      *int64 `json:"refillDay" check:"min=1,max=31"`
}

// schedule is the domain's refill; nil for nil. The day of a daily one has no
// meaning: whether it is refused differs between endpoints.
func (r *refillRequest) schedule() (*refill.Schedule, error) {
	switch {
	case r == nil:
		return nil, nil
	case r.Interval == "daily":
		return &refill.Schedule{Amount: r.Amount}, nil
	case r.Day == nil:
		return nil, keys.Invalidf("credits.refill.refillDay", "a monthly refill needs a day")
	}
	return &refill.Schedule{Amount: r.Amount, Day: int(*r.Day)}, nil
}

// creditsRequest is the balance of a key to be made. Null is unlimited.
type creditsRequest struct {
	Remaining schema.Maybe[int64] `json:"remaining" check:"required,min=0"`
	Refill    *refillRequest      `json:"refill"`
}

// fill puts the balance into a draft.
func (r *creditsRequest) fill(d *keys.KeyDraft) (err error) {
	if r == nil {
		return nil
	}
	d.Remaining = r.Remaining.Pointer()
	d.Refill, err = r.Refill.schedule()
	return err
}

// orNever returns the domain's end of a key, in which 0 is never. A request says never
// with null, or by leaving the member out: its 0 is refused before it comes here.
func orNever(expires *int64) int64 {
	if expires == nil {
		return 0
	}
	return *expires
}

// limitRequest is a stored limit of a key or an identity.
type limitRequest struct {
	Name      string `json:"name" check:"required,minLen=3,maxLen=128"`
	Limit     int64  `json:"limit" check:"required,min=1"`
	Duration  int64  `json:"duration" check:"required,min=1000" bound:"max=MaxDuration"`
	AutoApply bool   `json:"autoApply" check:"required"`
}

func limits(all []limitRequest) []ratelimit.Limit {
	return mapped(all, func(r limitRequest) ratelimit.Limit {
		return ratelimit.Limit{Name: r.Name, Limit: r.Limit, Duration: r.Duration, AutoApply: r.AutoApply}
	})
}

// keyLimits are the limits of a key: of several with one name the last counts.
func keyLimits(all []limitRequest) []ratelimit.Limit {
	var out []ratelimit.Limit
	for _, limit := range limits(all) {
		out = slices.DeleteFunc(out, func(l ratelimit.Limit) bool { return l.Name == limit.Name })
		out = append(out, limit)
	}
	return out
}

// limitResponse is a stored limit.
type limitResponse struct {
	AutoApply bool   `json:"autoApply"`
	Duration  int64  `json:"duration"`
	ID        string `json:"id"`
	Limit     int64  `json:"limit"`
	Name      string `json:"name"`
}

func limitOf(l ratelimit.Limit) limitResponse {
	return limitResponse{l.AutoApply, l.Duration, l.ID, l.Limit, l.Name}
}

// identityResponse is an identity, alone or with a key.
type identityResponse struct {
	ExternalID string          `json:"externalId"`
	ID         string          `json:"id"`
	Meta       json.RawMessage `json:"meta,omitempty"`
	Ratelimits []limitResponse `json:"ratelimits,omitempty"`
}

func identityOf(i *keys.Identity) *identityResponse {
	if i == nil {
		return nil
	}
	return &identityResponse{i.ExternalID, i.ID, i.Meta, mapped(i.Limits, limitOf)}
}

// permissionResponse is a permission.
type permissionResponse struct {
	Description string `json:"description,omitempty"`
	ID          string `json:"id"`
	Name        string `json:"name"`
	Slug        string `json:"slug"`
}

func permissionOf(p *keys.Permission) permissionResponse {
	return permissionResponse{p.Description, p.ID, p.Name, p.Slug}
}

// roleResponse is a role with the permissions it gives.
type roleResponse struct {
	Description string               `json:"description,omitempty"`
	ID          string               `json:"id"`
	Name        string               `json:"name"`
	Permissions []permissionResponse `json:"permissions,omitempty"`
}

func roleOf(r catalog.RoleDetails) roleResponse {
	return roleResponse{r.Description, r.ID, r.Name, mapped(r.Granted, permissionOf)}
}

// creditsResponse is the balance of a key; null is unlimited.
type creditsResponse struct {
	Refill    *refillResponse `json:"refill,omitempty"`
	Remaining *int64          `json:"remaining"`
}

type refillResponse struct {
	Amount   int64  `json:"amount"`
	Interval string `json:"interval"`
	Day      int    `json:"refillDay,omitempty"`
}

func refillOf(r *refill.Schedule) *refillResponse {
	switch {
	case r == nil:
		return nil
	case r.Daily():
		return &refillResponse{Amount: r.Amount, Interval: "daily"}
	}
	return &refillResponse{r.Amount, "monthly", r.Day}
}

// keyResponse is what reads show of a key.
type keyResponse struct {
	CreatedAt   int64             `json:"createdAt"`
	Credits     *creditsResponse  `json:"credits,omitempty"`
	Enabled     bool              `json:"enabled"`
	Expires     int64             `json:"expires,omitempty"`
	Identity    *identityResponse `json:"identity,omitempty"`
	KeyID       string            `json:"keyId"`
	LastUsedAt  int64             `json:"lastUsedAt,omitempty"`
	Meta        json.RawMessage   `json:"meta,omitempty"`
	Name        string            `json:"name,omitempty"`
	Permissions []string          `json:"permissions,omitempty"`
	Plaintext   string            `json:"plaintext,omitempty"`
	Ratelimits  []limitResponse   `json:"ratelimits,omitempty"`
	Roles       []string          `json:"roles,omitempty"`
	Start       string            `json:"start"`
	UpdatedAt   int64             `json:"updatedAt,omitempty"`
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

// shown returns what reads show of keys.
func (a *API) shown(ctx context.Context, all ...*store.Details) ([]keyResponse, error) {
	used, err := a.store.LastUsed(ctx, mapped(all, func(d *store.Details) *keys.Key { return d.Key })...)
	if err != nil {
		return nil, err
	}
	out := mapped(all, keyOf)
	for i := range out {
		out[i].LastUsedAt = used[i]
	}
	return out, nil
}

// one is shown for a single key.
func (a *API) one(ctx context.Context, d *store.Details) (keyResponse, error) {
	all, err := a.shown(ctx, d)
	if err != nil {
		return keyResponse{}, err
	}
	return all[0], nil
}

func keyOf(d *store.Details) keyResponse {
	k, r := d.Key, d.Resolved
	out := keyResponse{
		CreatedAt: k.CreatedAt, Enabled: !k.Disabled, Expires: k.Expires, Identity: identityOf(r.Identity), KeyID: k.ID,
		Meta: k.Meta, Name: k.Name, Permissions: r.Permissions, Plaintext: d.Secret.Reveal(),
		Ratelimits: mapped(k.Limits, limitOf), Roles: r.RoleNames(), Start: k.Start, UpdatedAt: k.UpdatedAt,
	}
	if k.HasCredits {
		out.Credits = &creditsResponse{refillOf(k.Refill), &d.State.Balance}
	}
	return out
}

// change maps absent, null and a value.
func change[T any](m schema.Maybe[T]) keys.Change[T] {
	return keys.Change[T]{Set: m.Set, Value: m.Pointer()}
}
