package audit

import (
	"context"
	"net/netip"

	"tollgate/keys"
)

// Origin is from where a change is asked for. A context has it under OriginKey.
type Origin struct {
	RequestID string
	Address   netip.Addr // of the client; the zero Addr where it is unknown
	Actor     Actor      // where no root key asks

	begun bool
}

// OriginKey is the key of a context under which it has a *Origin.
type OriginKey struct{}

// WithOrigin returns a context from which changes are asked for.
func WithOrigin(ctx context.Context, o *Origin) context.Context {
	return context.WithValue(ctx, OriginKey{}, o)
}

// Begun reports whether a store began an action for it, which then has its entry.
func (o *Origin) Begun() bool { return o != nil && o.begun }

// entryOf returns an entry without what was changed.
func entryOf(ctx context.Context, caller *keys.Caller, name Name) Entry {
	e := Entry{State: Pending, Action: name, Actor: Actor{Type: Operator}}
	if o, _ := ctx.Value(OriginKey{}).(*Origin); o != nil {
		o.begun = true
		e.RequestID = short(o.RequestID)
		if o.Address.IsValid() {
			e.Address = o.Address.String()
		}
		if o.Actor.Type != "" {
			e.Actor = o.Actor
		}
	}
	if caller.KeyID != "" {
		e.Actor = Actor{Type: RootKey, ID: caller.KeyID, Name: short(caller.Name)}
	}
	return e
}
