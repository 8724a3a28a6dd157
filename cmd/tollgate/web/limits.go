package web

import "strconv"

// Limited is what an answer tells of limits: a verify.Outcome, for one.
type Limited interface {
	// AppendLimitFields appends the values of RateLimit-Policy and RateLimit to two slices
	// that are empty. Nothing is told of where they stay so.
	AppendLimitFields(policy, state []byte) (p, s []byte)
}

// SetLimits sets the header fields RateLimit-Policy and RateLimit (draft-ietf-httpapi-
// ratelimit-headers), and Retry-After, in seconds, where it is not 0.
func (c *Call) SetLimits(limits Limited, retryAfter int64) {
	policy, state := limits.AppendLimitFields(c.limits[0][:0], c.limits[1][:0])
	c.limits = [2][]byte{policy, state}
	if len(policy) > 0 {
		h := &c.http.Response.Header
		h.SetCanonical(rateLimitPolicy, policy)
		h.SetCanonical(rateLimit, state)
	}
	if retryAfter > 0 {
		c.SetHeader("Retry-After", strconv.FormatInt(retryAfter, 10))
	}
}
