package netbird

import (
	"errors"
	"log/slog"
	"time"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
	"tollgate/keys/setupkeys"
)

type redeemRequest struct {
	Key            string   `json:"key" bound:"minLen=1"`
	Peer           string   `json:"peer" bound:"minLen=1,maxBytes=MaxPeer"`
	ExtraDNSLabels []string `json:"extra_dns_labels,omitempty" bound:"maxItems=MaxDNSLabels" itemsBound:"maxLen=MaxDomain" itemsBoundPattern:"Domain"`
}

type redeemResponse struct {
	ID                  string   `json:"id"`
	AutoGroups          []string `json:"auto_groups"`
	Ephemeral           bool     `json:"ephemeral"`
	AllowExtraDNSLabels bool     `json:"allow_extra_dns_labels"`
	UsedTimes           int64    `json:"used_times"`
	UsageLimit          int64    `json:"usage_limit"`
}

func (a *API) redeem(c *web.Call, in *redeemRequest) (redeemResponse, error) {
	r, err := a.store.Redeem(c.Context(), access(c), setupkeys.RedeemRequest{
		Secret: keys.NewSecret(in.Key), Peer: in.Peer, ExtraDNSLabels: in.ExtraDNSLabels,
	})
	if err != nil {
		a.logRefusal(c, in.Peer, err)
		return redeemResponse{}, err
	}
	setup := r.Key.Setup
	return redeemResponse{
		ID: r.Key.ID, AutoGroups: groupIDs(r.Groups), Ephemeral: setup.Ephemeral,
		AllowExtraDNSLabels: setup.ExtraDNSLabels, UsedTimes: r.UsedTimes, UsageLimit: setup.UsageLimit,
	}, nil
}

// logRefusal tells the operator what the caller is not told.
func (a *API) logRefusal(c *web.Call, peer string, err error) {
	var why *setupkeys.RedemptionError
	if errors.As(err, &why) {
		a.options.Log.LogAttrs(c.Context(), slog.LevelInfo, "setup key refused", slog.String("reason", string(why.Reason)),
			slog.String("setup_key", why.KeyID), slog.String("peer", peer), slog.String("request_id", c.RequestID()))
	}
}

// redemptionsRequest asks for a page, counted from 1, as NetBird pages elsewhere.
type redemptionsRequest struct {
	Page     int64 `json:"page" check:"min=1,max=1000000000,default=1"`
	PageSize int64 `json:"page_size" check:"min=1,max=1000,default=100"`
}

type redemptionsResponse struct {
	Data         []redemptionResponse `json:"data"`
	Page         int64                `json:"page"`
	PageSize     int64                `json:"page_size"`
	TotalRecords int64                `json:"total_records"`
	TotalPages   int64                `json:"total_pages"`
	Refused      []refusalResponse    `json:"refused"`
}

type redemptionResponse struct {
	Peer       string    `json:"peer"`
	RedeemedAt time.Time `json:"redeemed_at"`
	AutoGroups []string  `json:"auto_groups"`
	UsedTimes  int64     `json:"used_times"`
}

type refusalResponse struct {
	Peer      string                 `json:"peer"`
	RefusedAt time.Time              `json:"refused_at"`
	Reason    setupkeys.RedeemReason `json:"reason"`
}

func (a *API) listRedemptions(c *web.Call, in *redemptionsRequest) (redemptionsResponse, error) {
	found, err := a.store.Redemptions(c.Context(), access(c), c.Param("keyId"), (in.Page-1)*in.PageSize, in.PageSize)
	if err != nil {
		return redemptionsResponse{}, err
	}
	out := redemptionsResponse{
		Page: in.Page, PageSize: in.PageSize, TotalRecords: found.Total, TotalPages: (found.Total + in.PageSize - 1) / in.PageSize,
		Data: []redemptionResponse{}, Refused: []refusalResponse{},
	}
	for _, r := range found.Redeemed {
		out.Data = append(out.Data, redemptionResponse{r.Peer, moment(r.At), groupIDs(r.Groups), r.UsedTimes})
	}
	for _, r := range found.Refused {
		out.Refused = append(out.Refused, refusalResponse{r.Peer, moment(r.At), r.Reason})
	}
	return out, nil
}
