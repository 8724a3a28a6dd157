package netbird

import (
	"time"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/setupkeys"
)

type createSetupKeyRequest struct {
	Name                string   `json:"name" bound:"minLen=1,maxBytes=MaxName"`
	Type                string   `json:"type" bound:"enum=one-off|reusable"`
	ExpiresIn           int64    `json:"expires_in" bound:"min=0,max=MaxSetupExpiry"`
	AutoGroups          []string `json:"auto_groups" bound:"maxItems=MaxSetupGroups"`
	UsageLimit          int64    `json:"usage_limit" bound:"min=0,max=MaxCount"`
	Ephemeral           bool     `json:"ephemeral,omitempty"`
	AllowExtraDNSLabels bool     `json:"allow_extra_dns_labels,omitempty"`
}

// draft is the setup key that the request describes.
func (in *createSetupKeyRequest) draft(within setupkeys.Lifetimes) setupkeys.SetupKeyDraft {
	return setupkeys.SetupKeyDraft{
		Name: in.Name, Type: in.Type, ExpiresIn: in.ExpiresIn, UsageLimit: in.UsageLimit, Groups: in.AutoGroups,
		Ephemeral: in.Ephemeral, ExtraDNSLabels: in.AllowExtraDNSLabels, Lifetimes: within,
	}
}

// setupKeyResponse is a setup key, with its members in NetBird's order.
type setupKeyResponse struct {
	AllowExtraDNSLabels bool            `json:"allow_extra_dns_labels"`
	AutoGroups          []string        `json:"auto_groups"`
	Ephemeral           bool            `json:"ephemeral"`
	Expires             time.Time       `json:"expires"`
	ID                  string          `json:"id"`
	Key                 string          `json:"key"`
	LastUsed            time.Time       `json:"last_used"`
	Name                string          `json:"name"`
	Revoked             bool            `json:"revoked"`
	State               keys.SetupState `json:"state"`
	Type                string          `json:"type"`
	UpdatedAt           time.Time       `json:"updated_at"`
	UsageLimit          int64           `json:"usage_limit"`
	UsedTimes           int64           `json:"used_times"`
	Valid               bool            `json:"valid"`
}

// setupKeyOf shows a setup key, its secret masked.
func setupKeyOf(k *setupkeys.SetupKey) setupKeyResponse {
	kind := setupkeys.SetupOneOff
	if k.Setup.Reusable {
		kind = setupkeys.SetupReusable
	}
	return setupKeyResponse{
		ID: k.ID, Key: k.Start + "****", Name: k.Name, Type: kind, AutoGroups: groupIDs(k.Setup.Groups),
		Ephemeral: k.Setup.Ephemeral, AllowExtraDNSLabels: k.Setup.ExtraDNSLabels,
		Expires: moment(k.Expires), LastUsed: moment(k.LastUsed), UpdatedAt: moment(max(k.CreatedAt, k.UpdatedAt)),
		Revoked: k.Disabled, State: k.State, Valid: k.State == keys.SetupValid,
		UsageLimit: k.Setup.UsageLimit, UsedTimes: k.UsedTimes,
	}
}

// groupIDs is an array also where there are none.
func groupIDs(ids []string) []string { return append([]string{}, ids...) }

// moment is Go's zero time for never, as NetBird's clients expect it.
func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func (a *API) listSetupKeys(c *web.Call) (web.Rows[setupKeyResponse], error) {
	all, err := a.store.SetupKeys(c.Context(), access(c))
	if err != nil {
		return nil, err
	}
	out := make([]setupKeyResponse, len(all))
	for i, k := range all {
		out[i] = setupKeyOf(k)
	}
	return out, nil
}

func (a *API) createSetupKey(c *web.Call, in *createSetupKeyRequest) (setupKeyResponse, error) {
	k, secret, err := a.store.CreateSetupKey(c.Context(), access(c), in.draft(a.options.Lifetimes))
	if err != nil {
		return setupKeyResponse{}, err
	}
	out := setupKeyOf(k)
	out.Key = secret.Reveal()
	return out, nil
}

func (a *API) getSetupKey(c *web.Call) (setupKeyResponse, error) {
	return shown(a.store.SetupKey(c.Context(), access(c), c.Param("keyId")))
}

// updateSetupKeyRequest leaves out what NetBird ignores. Without revoked a key
// stays as it is.
type updateSetupKeyRequest struct {
	AutoGroups []string `json:"auto_groups" bound:"maxItems=MaxSetupGroups"`
	Revoked    *bool    `json:"revoked"`
}

func (a *API) updateSetupKey(c *web.Call, in *updateSetupKeyRequest) (setupKeyResponse, error) {
	patch := setupkeys.SetupKeyPatch{Groups: in.AutoGroups, Revoked: in.Revoked}
	return shown(a.store.UpdateSetupKey(c.Context(), access(c), c.Param("keyId"), patch))
}

func shown(k *setupkeys.SetupKey, err error) (setupKeyResponse, error) {
	if err != nil {
		return setupKeyResponse{}, err
	}
	return setupKeyOf(k), nil
}

func (a *API) deleteSetupKey(c *web.Call) (empty, error) {
	return empty{}, a.store.DeleteSetupKey(c.Context(), access(c), c.Param("keyId"))
}
