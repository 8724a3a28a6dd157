package unkeyv1

import (
	"slices"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/usage"
)

// analyticsRoutes tell how verifications ended.
func (a *API) analyticsRoutes() []web.Route {
	d := a.dialect
	return []web.Route{
		get("/v1/keys.getVerifications", "keys.getVerifications", rights(keys.ReadKey), web.Heavy(web.Query(d, a.keyVerifications))),
		get("/v1/analytics.getVerifications", "getVerifications", rights(keys.ReadAPI), web.Heavy(web.Query(d, a.verifications))),
	}
}

type keyVerificationsRequest struct {
	KeyID       string `json:"keyId"`
	OwnerID     string `json:"ownerId"`
	Start       *int64 `json:"start" check:"min=0" bound:"max=MaxTime"`
	End         *int64 `json:"end" check:"min=0" bound:"max=MaxTime"`
	Granularity string `json:"granularity" check:"enum=day,default=day"`
}

type keyVerifications struct {
	Time          int64 `json:"time"`
	Success       int64 `json:"success"`
	RateLimited   int64 `json:"rateLimited"`
	UsageExceeded int64 `json:"usageExceeded"`
}

type keyVerificationsResponse struct {
	Verifications []keyVerifications `json:"verifications"`
}

func (a *API) keyVerifications(c *web.Call, in *keyVerificationsRequest) (keyVerificationsResponse, error) {
	out := keyVerificationsResponse{[]keyVerifications{}}
	if in.KeyID == "" && in.OwnerID == "" {
		return out, keys.Invalidf("keyId", "required, or ownerId in its place")
	}
	rows, err := a.usage.KeyUsage(c.Context(), access(c), usage.Owner{KeyID: in.KeyID, ExternalID: in.OwnerID}, in.Start, in.End)
	if err != nil {
		return out, err
	}
	some := false
	for _, row := range rows {
		n := keyVerifications{row.Time, row.Counts.Of(usage.Valid), row.Counts.Of(usage.RateLimited), row.Counts.Of(usage.Exceeded)}
		some = some || n.Success+n.RateLimited+n.UsageExceeded > 0
		out.Verifications = append(out.Verifications, n)
	}
	if !some {
		out.Verifications = []keyVerifications{}
	}
	return out, nil
}

type verificationsRequest struct {
	APIID      string   `json:"apiId" check:"required"`
	ExternalID string   `json:"externalId"`
	KeyID      []string `json:"keyId" bound:"maxItems=MaxUsageKeys"`
	Tag        []string `json:"tag" bound:"maxItems=MaxUsageTags"`
	Start      int64    `json:"start" check:"required,min=0" bound:"max=MaxTime"`
	End        *int64   `json:"end" check:"min=0" bound:"max=MaxTime"`
	GroupBy    []string `json:"groupBy" items:"enum=key|identity|tags|tag|month|day|hour"`
	Limit      *int64   `json:"limit" check:"min=1"`
	OrderBy    string   `json:"orderBy" check:"enum=time|valid|notFound|forbidden|usageExceeded|rateLimited|unauthorized|disabled|insufficientPermissions|expired|total"`
	Order      string   `json:"order" check:"enum=asc|desc,default=asc"`
}

// orders are the domain's names of what rows are sorted by. Nothing is ever counted
// under notFound and unauthorized, so those sort by time.
var orders = map[string]string{
	"total": "total", "valid": string(usage.Valid), "forbidden": string(usage.Forbidden),
	"usageExceeded": string(usage.Exceeded), "rateLimited": string(usage.RateLimited), "disabled": string(usage.Disabled),
	"insufficientPermissions": string(usage.Insufficient), "expired": string(usage.Expired),
}

func (in *verificationsRequest) query() usage.Query {
	by := func(group string) bool { return slices.Contains(in.GroupBy, group) }
	q := usage.Query{
		APIID: in.APIID, ExternalID: in.ExternalID, KeyIDs: in.KeyID, Tags: in.Tag, Start: in.Start, UntilNow: in.End == nil,
		Group: usage.Groups{Key: by("key"), Identity: by("identity"), Tag: by("tag"), Tags: by("tags")},
		Order: usage.Order{By: orders[in.OrderBy], Descending: in.Order == "desc"},
	}
	if in.End != nil {
		q.End = *in.End
	}
	switch {
	case by("hour"):
		q.Group.Span = usage.ByHour
	case by("day"):
		q.Group.Span = usage.ByDay
	case by("month"):
		q.Group.Span = usage.ByMonth
	}
	if in.Limit != nil {
		q.Limit = int(*in.Limit)
	}
	return q
}

type verificationsRow struct {
	Time                    int64          `json:"time,omitempty"`
	Valid                   int64          `json:"valid"`
	NotFound                int64          `json:"notFound"`
	Forbidden               int64          `json:"forbidden"`
	UsageExceeded           int64          `json:"usageExceeded"`
	RateLimited             int64          `json:"rateLimited"`
	Unauthorized            int64          `json:"unauthorized"`
	Disabled                int64          `json:"disabled"`
	InsufficientPermissions int64          `json:"insufficientPermissions"`
	Expired                 int64          `json:"expired"`
	Total                   int64          `json:"total"`
	Tag                     string         `json:"tag,omitempty"`
	Tags                    *[]string      `json:"tags,omitempty"`
	KeyID                   string         `json:"keyId,omitempty"`
	Identity                *usageIdentity `json:"identity,omitempty"`
}

type usageIdentity struct {
	ID         string `json:"id"`
	ExternalID string `json:"externalId"`
}

func (a *API) verifications(c *web.Call, in *verificationsRequest) (web.Rows[verificationsRow], error) {
	q := in.query()
	rows, err := a.usage.Query(c.Context(), access(c), q)
	if err != nil {
		return nil, err
	}
	out := make([]verificationsRow, len(rows))
	for i := range rows {
		out[i] = verificationsRowOf(&rows[i], q.Group)
	}
	return out, nil
}

func verificationsRowOf(r *usage.Row, by usage.Groups) verificationsRow {
	n := &r.Counts
	row := verificationsRow{
		Time: r.Time, Valid: n.Of(usage.Valid), Forbidden: n.Of(usage.Forbidden), UsageExceeded: n.Of(usage.Exceeded),
		RateLimited: n.Of(usage.RateLimited), Disabled: n.Of(usage.Disabled), InsufficientPermissions: n.Of(usage.Insufficient),
		Expired: n.Of(usage.Expired), Total: n.Total(), Tag: r.Tag, KeyID: r.KeyID,
	}
	if by.Tags {
		tags := append([]string{}, r.Tags...)
		row.Tags = &tags
	}
	if r.Identity != nil {
		row.Identity = &usageIdentity{r.Identity.ID, r.Identity.ExternalID}
	}
	return row
}
