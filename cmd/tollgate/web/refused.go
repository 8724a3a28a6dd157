package web

import "tollgate/keys"

// noteRefusal has a change that was refused before a store was asked noted, such as one that
// can't be read, if who is calling is known: who is not is only counted.
func (c *Call) noteRefusal(err error) {
	refused := c.server.config.Refused
	if refused == nil || c.route.Action == "" || c.origin.Begun() || asRefusal(err).Kind == keys.KindUnavailable {
		return
	}
	if !c.known && (c.admit() != nil || c.authorise() != nil) || c.Caller == nil {
		return
	}
	refused(c, asRefusal(err))
}

// asRefusal returns an error as one of the domain: what can't be read is KindInvalid.
func asRefusal(err error) *keys.Error {
	p := problemOf(err)
	if p.Domain != nil {
		return p.Domain
	}
	return keys.Invalidf("", "%s", p.Message())
}
