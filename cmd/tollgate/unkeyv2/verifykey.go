package unkeyv2

import (
	"encoding/json"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/verify"
)

type verifyKeyRequest struct {
	Key         string          `json:"key" check:"required,minLen=1,maxLen=512"`
	Tags        []string        `json:"tags" check:"maxItems=20" items:"minLen=1,maxLen=512"`
	Permissions *string         `json:"permissions" check:"minLen=1,maxLen=1000"`
	Credits     *costRequest    `json:"credits"`
	Ratelimits  []limitToVerify `json:"ratelimits" bound:"maxItems=MaxRequestLimits"`
	MigrationID string          `json:"migrationId" check:"maxLen=256"`
}

type costRequest struct {
	Cost int64 `json:"cost" check:"required,min=0,max=1000000000000"`
}

// limitToVerify asks for a stored limit by its name; with both a limit and a
// duration it is one of the request's own.
type limitToVerify struct {
	Name     string `json:"name" check:"required,minLen=3,maxLen=255"`
	Cost     int64  `json:"cost" check:"min=0,default=1"`
	Limit    *int64 `json:"limit" check:"min=0" bound:"min=1"`
	Duration *int64 `json:"duration" check:"min=0" bound:"min=MinDuration,max=MaxDuration"`
}

// verifyKeyResponse is written by AppendJSON.
type verifyKeyResponse envelope[verified]

type verified struct {
	Code        verify.Code       `json:"code"`
	Credits     *int64            `json:"credits,omitempty"`
	Enabled     *bool             `json:"enabled,omitempty"`
	Expires     int64             `json:"expires,omitempty"`
	Identity    *identityResponse `json:"identity,omitempty"`
	KeyID       string            `json:"keyId,omitempty"`
	Meta        json.RawMessage   `json:"meta,omitempty"`
	Name        string            `json:"name,omitempty"`
	Permissions []string          `json:"permissions,omitempty"`
	Ratelimits  []limitVerified   `json:"ratelimits,omitempty"`
	Roles       []string          `json:"roles,omitempty"`
	Valid       bool              `json:"valid"`
}

// limitVerified is a limit as a verification left it.
type limitVerified struct {
	AutoApply bool   `json:"autoApply"`
	Duration  int64  `json:"duration"`
	Exceeded  bool   `json:"exceeded"`
	ID        string `json:"id"`
	Limit     int64  `json:"limit"`
	Name      string `json:"name"`
	Remaining int64  `json:"remaining"`
	Reset     int64  `json:"reset"`
}

func (a *API) verifyKey(c *web.Call, in *verifyKeyRequest) (*verifyKeyResponse, error) {
	token, _ := c.Bearer()
	r, err := a.request(c, in)
	var outcome *verify.Outcome
	if err == nil {
		r.RootKey, r.Source = keys.NewSecret(token), c.Source()
		outcome, err = a.verifier.VerifyMigrated(c.Context(), r, in.MigrationID)
	}
	if err != nil {
		return nil, a.entitled(c, token, err)
	}
	c.SetLimits(outcome, r.RetryAfter(outcome))
	return &verifyKeyResponse{verifiedOf(outcome), metaOf(c)}, nil
}

// entitled tells what is wrong with a request to those alone who may ask.
func (a *API) entitled(c *web.Call, token string, err error) error {
	if keys.AsError(err).Kind == keys.KindInvalid {
		if _, refused := a.verifier.Authenticate(c.Context(), keys.NewSecret(token), c.Source()); refused != nil {
			return refused
		}
	}
	return err
}

// request is what the body asks of the verifier.
func (a *API) request(c *web.Call, in *verifyKeyRequest) (r *verify.Request, err error) {
	r = &verify.Request{Secret: keys.NewSecret(in.Key), Cost: 1, Tags: in.Tags, Address: c.Client()}
	if in.Credits != nil {
		r.Cost = verify.Costs(in.Credits.Cost)
	}
	if in.Permissions != nil {
		if r.Permissions, err = verify.ParseQuery(*in.Permissions); err != nil {
			return nil, err
		}
	}
	r.Limits = make([]verify.LimitRequest, 0, len(in.Ratelimits))
	for _, l := range in.Ratelimits {
		limit := verify.LimitRequest{Name: l.Name, Cost: verify.Costs(l.Cost)}
		if l.Limit != nil && l.Duration != nil {
			limit.Own, limit.Limit, limit.Duration = true, *l.Limit, *l.Duration
		}
		r.Limits = append(r.Limits, limit)
	}
	return r, nil
}

func verifiedOf(o *verify.Outcome) verified {
	out := verified{Code: o.Code, Valid: o.Code == verify.Valid}
	if o.Key == nil {
		return out
	}
	k, r := o.Key, o.Resolved
	enabled := !k.Disabled
	out.Enabled, out.Expires, out.Identity, out.KeyID = &enabled, k.Expires, identityOf(r.Identity), k.ID
	out.Meta, out.Name, out.Permissions, out.Roles = k.Meta, k.Name, r.Permissions, r.RoleNames()
	if k.HasCredits {
		out.Credits = o.Remaining
	}
	if len(o.Limits) > 0 {
		out.Ratelimits = mapped(o.Limits, limitVerifiedOf)
	}
	return out
}

func limitVerifiedOf(l verify.LimitState) limitVerified {
	return limitVerified{l.AutoApply, l.Duration, l.Exceeded, l.ID, l.Limit.Limit, l.Name, l.Remaining, l.Reset}
}
