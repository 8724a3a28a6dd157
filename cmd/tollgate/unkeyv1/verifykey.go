package unkeyv1

import (
	"encoding/json"
	"errors"
	"strconv"

	"tollgate/cmd/tollgate/web"
	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/verify"

	"github.com/valyala/fastjson"
)

type verifyKeyRequest struct {
	APIID         string          `json:"apiId"`
	Key           string          `json:"key" check:"required,minLen=1"`
	Tags          []string        `json:"tags" check:"maxItems=10" items:"minLen=1,maxLen=128"`
	Authorization *authorization  `json:"authorization"`
	Remaining     *costRequest    `json:"remaining"`
	Ratelimit     *limitCost      `json:"ratelimit"` // accepted and without effect, as upstream
	Ratelimits    []limitToVerify `json:"ratelimits" check:"maxItems=50"`
}

type authorization struct {
	Permissions *permissionQuery `json:"permissions"`
}

type costRequest struct {
	Cost int64 `json:"cost" check:"min=0,default=1"`
}

type limitCost struct {
	Cost int64 `json:"cost" check:"min=0,default=1"`
}

type limitToVerify struct {
	Name     string `json:"name" check:"required,minLen=1,maxLen=512"`
	Cost     int64  `json:"cost" check:"min=0,default=1"`
	Limit    *int64 `json:"limit" bound:"min=1"`
	Duration *int64 `json:"duration" bound:"min=MinDuration,max=MaxDuration"`
}

// permissionQuery is a tree: a permission, {"and":[…]} or {"or":[…]}.
type permissionQuery struct{ verify.Query }

var errQuery = errors.New(`permission query is invalid: want a permission, {"and":[…]} or {"or":[…]}`)

// DecodeJSON implements schema.Custom.
func (q *permissionQuery) DecodeJSON(v *fastjson.Value) (err error) {
	q.Query, err = queryOf(v)
	return err
}

func queryOf(v *fastjson.Value) (verify.Query, error) {
	if text := v.GetStringBytes(); len(text) > 0 {
		return verify.Permission(string(text)), nil
	}
	members := v.GetObject()
	if members == nil || members.Len() != 1 {
		return verify.Query{}, errQuery
	}
	if and := members.Get("and"); and != nil {
		terms, err := termsOf(and)
		return verify.All(terms...), err
	}
	terms, err := termsOf(members.Get("or"))
	return verify.Any(terms...), err
}

func termsOf(v *fastjson.Value) ([]verify.Query, error) {
	if v == nil {
		return nil, errQuery
	}
	items, err := v.Array()
	if err != nil || len(items) == 0 {
		return nil, errQuery
	}
	terms := make([]verify.Query, len(items))
	for i, item := range items {
		if terms[i], err = queryOf(item); err != nil {
			return nil, err
		}
	}
	return terms, nil
}

// DescribeJSON implements schema.Custom.
func (q *permissionQuery) DescribeJSON() schema.Description {
	list := func(name string) schema.Description {
		return schema.Description{
			"type": "object", "required": []string{name}, "additionalProperties": false,
			"properties": schema.Description{name: schema.Description{"type": "array", "minItems": 1}},
		}
	}
	return schema.Description{"oneOf": []any{schema.Description{"type": "string", "minLength": 1}, list("and"), list("or")}}
}

type verifyKeyResponse struct {
	KeyID       string             `json:"keyId,omitempty"`
	Valid       bool               `json:"valid"`
	Name        string             `json:"name,omitempty"`
	OwnerID     string             `json:"ownerId,omitempty"`
	Meta        json.RawMessage    `json:"meta,omitempty"`
	Expires     int64              `json:"expires,omitempty"`
	Remaining   *int64             `json:"remaining,omitempty"`
	Ratelimit   *ratelimitResponse `json:"ratelimit,omitempty"`
	Enabled     *bool              `json:"enabled,omitempty"`
	Permissions *[]string          `json:"permissions,omitempty"`
	Roles       *[]string          `json:"roles,omitempty"`
	Environment string             `json:"environment,omitempty"`
	Code        verify.Code        `json:"code"`
	Identity    *identityResponse  `json:"identity,omitempty"`
	RequestID   string             `json:"requestId"`

	// What some of the pointers above point to, so that an answer is one allocation.
	ratelimit ratelimitResponse
	identity  identityResponse
	roles     []string
}

// The two values of Enabled.
var enabled, disabled = true, false

type ratelimitResponse struct {
	Limit     int64 `json:"limit"`
	Remaining int64 `json:"remaining"`
	Reset     int64 `json:"reset"`
}

func (a *API) verifyKey(c *web.Call, in *verifyKeyRequest) (*verifyKeyResponse, error) {
	outcome, err := a.verify(c, in)
	if err != nil {
		return nil, err
	}
	if limit := outcome.Triggered(); limit != nil && outcome.Code == verify.RateLimited {
		c.SetHeader("Unkey-Ratelimit-Triggered", limit.Name)
	}
	return verifiedOf(outcome, c.RequestID()), nil
}

// verify asks the verifier, and sets the headers that tell of limits and of when to come back.
func (a *API) verify(c *web.Call, in *verifyKeyRequest) (*verify.Outcome, error) {
	r := a.request(c, in)
	outcome, err := a.verifier.Verify(c.Context(), r)
	if err == nil {
		c.SetLimits(outcome, r.RetryAfter(outcome))
	}
	return outcome, err
}

// request is what the body asks of the verifier.
func (a *API) request(c *web.Call, in *verifyKeyRequest) *verify.Request {
	r := &verify.Request{Secret: keys.NewSecret(in.Key), APIID: in.APIID, Cost: 1, Tags: in.Tags, Address: c.Client()}
	if in.Remaining != nil {
		r.Cost = verify.Costs(in.Remaining.Cost)
	}
	if in.Authorization != nil && in.Authorization.Permissions != nil {
		r.Permissions = in.Authorization.Permissions.Query
	}
	r.Limits = make([]verify.LimitRequest, 0, len(in.Ratelimits))
	for _, l := range in.Ratelimits {
		limit := verify.LimitRequest{Name: l.Name, Cost: verify.Costs(l.Cost)}
		if l.Limit != nil && l.Duration != nil {
			limit.Own, limit.Limit, limit.Duration = true, *l.Limit, *l.Duration
		}
		r.Limits = append(r.Limits, limit)
	}
	return r
}

func verifiedOf(o *verify.Outcome, requestID string) *verifyKeyResponse {
	out := &verifyKeyResponse{Valid: o.Code == verify.Valid, Code: o.Code, RequestID: requestID}
	if o.Key == nil {
		return out
	}
	k, r := o.Key, o.Resolved
	out.roles = r.RoleNames()
	out.KeyID, out.Name, out.OwnerID, out.Meta, out.Expires = k.ID, k.Name, ownerOf(r), k.Meta, k.Expires
	out.Enabled, out.Permissions, out.Roles, out.Environment = &enabled, &r.Permissions, &out.roles, k.Environment
	if k.Disabled {
		out.Enabled = &disabled
	}
	if r.Identity != nil {
		out.identity = *identityOf(r)
		out.Identity = &out.identity
	}
	if shown := shownLimit(o); shown != nil {
		out.ratelimit = ratelimitResponse{shown.Limit.Limit, shown.Remaining, shown.Reset}
		out.Ratelimit = &out.ratelimit
	}
	if k.HasCredits {
		out.Remaining = o.Remaining
	}
	return out
}

// shownLimit is the one limit that v1 shows: the first that refused, or the one
// called default, or the first.
func shownLimit(o *verify.Outcome) *verify.LimitState {
	if len(o.Limits) == 0 {
		return nil
	}
	shown := o.Triggered()
	for i := range o.Limits {
		if shown == nil && o.Limits[i].Name == defaultLimit {
			shown = &o.Limits[i]
		}
	}
	if shown == nil {
		shown = &o.Limits[0]
	}
	return shown
}

// AppendJSON implements web.Appender: what encoding/json would write.
func (v *verifyKeyResponse) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	if v.KeyID != "" {
		b = web.AppendString(append(b, `"keyId":`...), v.KeyID)
		b = append(b, ',')
	}
	b = strconv.AppendBool(append(b, `"valid":`...), v.Valid)
	b = appendText(b, `,"name":`, v.Name)
	b = appendText(b, `,"ownerId":`, v.OwnerID)
	if len(v.Meta) > 0 {
		b = append(append(b, `,"meta":`...), v.Meta...)
	}
	if v.Expires != 0 {
		b = strconv.AppendInt(append(b, `,"expires":`...), v.Expires, 10)
	}
	if v.Remaining != nil {
		b = strconv.AppendInt(append(b, `,"remaining":`...), *v.Remaining, 10)
	}
	if l := v.Ratelimit; l != nil {
		b = strconv.AppendInt(append(b, `,"ratelimit":{"limit":`...), l.Limit, 10)
		b = strconv.AppendInt(append(b, `,"remaining":`...), l.Remaining, 10)
		b = strconv.AppendInt(append(b, `,"reset":`...), l.Reset, 10)
		b = append(b, '}')
	}
	return v.appendRest(b)
}

func (v *verifyKeyResponse) appendRest(b []byte) []byte {
	if v.Enabled != nil {
		b = strconv.AppendBool(append(b, `,"enabled":`...), *v.Enabled)
	}
	b = appendTexts(b, `,"permissions":`, v.Permissions)
	b = appendTexts(b, `,"roles":`, v.Roles)
	b = appendText(b, `,"environment":`, v.Environment)
	b = appendText(b, `,"code":`, string(v.Code))
	if i := v.Identity; i != nil {
		b = web.AppendString(append(b, `,"identity":{"id":`...), i.ID)
		b = web.AppendString(append(b, `,"externalId":`...), i.ExternalID)
		b = append(append(append(b, `,"meta":`...), i.Meta...), '}')
	}
	b = web.AppendString(append(b, `,"requestId":`...), v.RequestID)
	return append(b, '}')
}

func appendText(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return web.AppendString(append(b, name...), value)
}

func appendTexts(b []byte, name string, values *[]string) []byte {
	if values == nil {
		return b
	}
	b = append(append(b, name...), '[')
	for i, value := range *values {
		if i > 0 {
			b = append(b, ',')
		}
		b = web.AppendString(b, value)
	}
	return append(b, ']')
}
