package unkeyv2

import (
	"encoding/json"

	"tollgate/cmd/tollgate/web"
	"tollgate/keys"
)

type analyticsRequest struct {
	Query string `json:"query" check:"required"`
}

// analytics answers as upstream does without its analytics store: the queries are
// SQL over that store's tables.
func analytics(c *web.Call, _ *analyticsRequest) ([]json.RawMessage, error) {
	if a := access(c); !a.Can(a.Needs[0], "") {
		return nil, keys.Errorf(keys.KindMissingPermission, "", "missing one of these permissions: api.*.read_analytics")
	}
	return nil, errAnalytics
}
