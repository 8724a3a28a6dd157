package keys

import (
	"tollgate/ratelimit"
	"tollgate/refill"
)

// Change is what a request says of a field: nothing (the zero Change), that it is
// cleared (Set, no Value), or its new value.
type Change[T any] struct {
	Set   bool
	Value *T
}

// To is the change to a value.
func To[T any](value T) Change[T] { return Change[T]{true, &value} }

// Cleared is the change that clears a field.
func Cleared[T any]() Change[T] { return Change[T]{Set: true} }

// Or returns the new value, or the old one where nothing is said; cleared is zero.
func (c Change[T]) Or(old T) T {
	switch {
	case !c.Set:
		return old
	case c.Value == nil:
		var zero T
		return zero
	}
	return *c.Value
}

// KeyPatch says what changes about a key.
type KeyPatch struct {
	Name        Change[string]
	ExternalID  Change[string]
	Meta        Change[[]byte]
	Expires     Change[int64] // unix ms, 1 or more, which may have passed; cleared: never
	Remaining   Change[int64] // cleared: unlimited, without a refill
	Refill      Change[refill.Schedule]
	Limits      Change[[]ratelimit.Limit] // all of them
	Limit       *ratelimit.Limit          // set the one with this name
	DropLimit   string                    // remove the one with this name
	Disabled    Change[bool]
	Roles       Change[[]Ref]
	Permissions Change[[]Ref]
}

// CreditsOperation is what UpdateCredits does with its value.
type CreditsOperation string
