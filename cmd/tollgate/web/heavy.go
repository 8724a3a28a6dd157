package web

import (
	"time"

	"tollgate/keys"
)

// Heavy is an endpoint whose answer may be large, such as a list of keys with all their
// metadata, or that reads as much. So many of them work at once that a processor is left
// for the others and that their answers take little memory; the rest wait, each workspace
// in its turn. No answer is shortened for it.
func Heavy(e Endpoint) Endpoint {
	e.heavy = true
	return e
}

// IsHeavy reports whether Heavy made it.
func (e Endpoint) IsHeavy() bool { return e.heavy }

// takeTurn waits for the call's turn where its endpoint is heavy. The time that Redis has for
// it begins then.
func (c *Call) takeTurn() (err error) {
	if c.route == nil || !c.route.heavy || c.server == nil {
		return nil
	}
	if c.turn, err = c.server.turns.Take(c.Context(), c.workspace()); err == nil {
		c.ctx.start = time.Now()
	}
	return err
}

// workspace is the caller's; "" where nobody is known.
func (c *Call) workspace() string {
	if caller, ok := c.Caller.(*keys.Caller); ok {
		return caller.WorkspaceID
	}
	return ""
}
