package main

import (
	"tollgate/cmd/tollgate/web/schema"

	"github.com/valyala/fastjson"
)

// The requests have the members and checks of the gateway's own, so that reading them
// costs the same.

type verifyV1 struct {
	APIID         string    `json:"apiId"`
	Key           string    `json:"key" check:"required,minLen=1"`
	Tags          []string  `json:"tags" check:"maxItems=10" items:"minLen=1,maxLen=128"`
	Authorization *rights   `json:"authorization"`
	Remaining     *cost     `json:"remaining"`
	Ratelimit     *cost     `json:"ratelimit"`
	Ratelimits    []limited `json:"ratelimits" check:"maxItems=50"`
}

type rights struct {
	Permissions *tree `json:"permissions"`
}

type cost struct {
	Cost int64 `json:"cost" check:"min=0,default=1"`
}

type limited struct {
	Name     string `json:"name" check:"required,minLen=1,maxLen=512"`
	Cost     int64  `json:"cost" check:"min=0,default=1"`
	Limit    *int64 `json:"limit"`
	Duration *int64 `json:"duration"`
}

// tree is v1's permission query, kept as its text.
type tree struct{ text string }

// DecodeJSON implements schema.Custom.
func (t *tree) DecodeJSON(v *fastjson.Value) error {
	t.text = string(v.MarshalTo(nil))
	return nil
}

// DescribeJSON implements schema.Custom.
func (t *tree) DescribeJSON() schema.Description { return schema.Description{} }

type verifyV2 struct {
	Key         string    `json:"key" check:"required,minLen=1,maxLen=512"`
	Tags        []string  `json:"tags" check:"maxItems=20" items:"minLen=1,maxLen=512"`
	Permissions string    `json:"permissions" check:"minLen=1,maxLen=1000"`
	Credits     *cost     `json:"credits"`
	Ratelimits  []limited `json:"ratelimits"`
	MigrationID string    `json:"migrationId" check:"maxLen=256"`
}

type createV1 struct {
	APIID      string         `json:"apiId" check:"required"`
	Prefix     string         `json:"prefix" check:"maxLen=16"`
	Name       string         `json:"name"`
	ByteLength *int64         `json:"byteLength" check:"min=16,max=255"`
	ExternalID string         `json:"externalId"`
	Meta       schema.Object  `json:"meta"`
	Expires    *int64         `json:"expires"`
	Remaining  *int64         `json:"remaining"`
	Ratelimit  *storedLimit   `json:"ratelimit"`
	Enabled    *bool          `json:"enabled"`
	Extra      *schema.Object `json:"refill"`
}

type storedLimit struct {
	Async    *bool  `json:"async"`
	Type     string `json:"type" check:"enum=fast|consistent"`
	Limit    int64  `json:"limit" check:"required,min=1"`
	Duration *int64 `json:"duration" check:"min=1000"`
}

// limit is the request of both generations.
type limit struct {
	Namespace  string `json:"namespace"`
	Identifier string `json:"identifier" check:"required"`
	Limit      int64  `json:"limit" check:"required,min=1"`
	Duration   int64  `json:"duration" check:"required,min=1000"`
	Cost       int64  `json:"cost" check:"min=0,default=1"`
	Async      bool   `json:"async"`
}

type redeem struct {
	Key            string   `json:"key" check:"required,minLen=1"`
	Peer           string   `json:"peer" check:"required,minLen=1"`
	ExtraDNSLabels []string `json:"extra_dns_labels"`
}
