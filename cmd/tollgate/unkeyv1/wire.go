package unkeyv1

import (
	"encoding/json"
	"strconv"

	"tollgate/cmd/tollgate/web/schema"
	"tollgate/keys"
	"tollgate/keys/catalog"
	"tollgate/ratelimit"
	"tollgate/refill"
)

// defaultLimit is the name of the one limit that v1 stores on a key.
const defaultLimit = "default"

// refillRequest is a refill as v1 writes it.
type refillRequest struct {
	Interval string `json:"interval" check:"required,enum=daily|monthly"`
	Amount   int64  `json:"amount" check:"required,min=1"`
	Day      *int64 `json:"refillDay" check:"min=1,max=31"`
}

// schedule is the domain's refill; nil for nil. A monthly one without a day is on
// the first.
func (r *refillRequest) schedule() (*refill.Schedule, error) {
	switch {
	case r == nil:
		return nil, nil
	case r.Interval == "monthly" && r.Day == nil:
		return &refill.Schedule{Amount: r.Amount, Day: 1}, nil
	case r.Interval == "monthly":
		return &refill.Schedule{Amount: r.Amount, Day: int(*r.Day)}, nil
	case r.Day != nil:
		return nil, keys.Invalidf("refill.refillDay", "a daily refill has no day: leave it out, or make the interval monthly")
	}
	return &refill.Schedule{Amount: r.Amount}, nil
}

// limitRequest is the limit of a key as v1 writes it. refillRate and
// refillInterval are its older names; type and async once chose how exact it was.
type limitRequest struct {
	Async          *bool  `json:"async"`
	Type           string `json:"type" check:"enum=fast|consistent"`
	Limit          int64  `json:"limit" check:"required,min=1"`
	Duration       *int64 `json:"duration" check:"min=1000" bound:"max=MaxLongDuration"`
	RefillRate     *int64 `json:"refillRate" check:"min=1"`
	RefillInterval *int64 `json:"refillInterval" check:"min=1" doc:"In the place of duration, and within its bounds."`
}

// limit is the domain's limit; nil for nil.
func (r *limitRequest) limit() (*ratelimit.Limit, error) {
	if r == nil {
		return nil, nil
	}
	l := &ratelimit.Limit{Name: defaultLimit, Limit: r.Limit, AutoApply: true}
	switch {
	case r.Duration != nil:
		l.Duration = *r.Duration
	case r.RefillInterval == nil:
		return nil, keys.Invalidf("ratelimit.duration", "required: the length of the window in milliseconds")
	case *r.RefillInterval < ratelimit.MinDuration:
		return nil, keys.Invalidf("ratelimit.refillInterval", "must be at least %d", int64(ratelimit.MinDuration))
	default:
		l.Duration = *r.RefillInterval
	}
	return l, nil
}

// refRequest names a permission or a role.
type refRequest struct {
	ID     *string `json:"id" check:"minLen=3"`
	Name   *string `json:"name" check:"minLen=1"`
	Create bool    `json:"create"`
}

// refs turns items of the list called field into references.
func refs(field string, items []refRequest) ([]keys.Ref, error) {
	all := make([]keys.Ref, len(items))
	for i, item := range items {
		switch {
		case item.ID != nil:
			all[i] = keys.Ref{ID: *item.ID}
		case item.Name != nil:
			all[i] = keys.Ref{Name: *item.Name}
		default:
			return nil, keys.Invalidf(field+"."+strconv.Itoa(i), "needs an id or a name")
		}
		if item.Create {
			all[i].Missing = catalog.Create
		}
	}
	return all, nil
}

// identityResponse is the identity of a key.
type identityResponse struct {
	ID         string          `json:"id"`
	ExternalID string          `json:"externalId"`
	Meta       json.RawMessage `json:"meta"`
}

func identityOf(r *catalog.Resolved) *identityResponse {
	if r.Identity == nil {
		return nil
	}
	meta := json.RawMessage(r.Identity.Meta)
	if len(meta) == 0 {
		meta = json.RawMessage("{}")
	}
	return &identityResponse{r.Identity.ID, r.Identity.ExternalID, meta}
}

func ownerOf(r *catalog.Resolved) string {
	if r.Identity == nil {
		return ""
	}
	return r.Identity.ExternalID
}

// refillResponse is the refill of a key.
type refillResponse struct {
	Interval     string `json:"interval"`
	Amount       int64  `json:"amount"`
	Day          *int   `json:"refillDay"`
	LastRefillAt int64  `json:"lastRefillAt,omitempty"`
}

func refillOf(k *keys.Key, now int64) *refillResponse {
	if k.Refill == nil {
		return nil
	}
	r := &refillResponse{Interval: "daily", Amount: k.Refill.Amount, LastRefillAt: k.LastRefill(now)}
	if k.Refill.Day != 0 {
		r.Interval, r.Day = "monthly", &k.Refill.Day
	}
	return r
}

// limitResponse is the stored limit of a key, with its older names.
type limitResponse struct {
	Async          bool  `json:"async"`
	Limit          int64 `json:"limit"`
	Duration       int64 `json:"duration"`
	RefillRate     int64 `json:"refillRate"`
	RefillInterval int64 `json:"refillInterval"`
}

func limitOf(k *keys.Key) *limitResponse {
	for _, l := range k.Limits {
		if l.Name == defaultLimit {
			return &limitResponse{Limit: l.Limit, Duration: l.Duration, RefillRate: l.Limit, RefillInterval: l.Duration}
		}
	}
	return nil
}

// change maps absent, null and a value.
func change[T any](m schema.Maybe[T]) keys.Change[T] {
	return keys.Change[T]{Set: m.Set, Value: m.Pointer()}
}
