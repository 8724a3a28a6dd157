package keys

import (
	"errors"
	"strconv"
	"strings"

	"tollgate/ratelimit"
)

// The law: how long a limit's windows may be is bounded by what the caller proved. A
// counter lives for two windows, so this bounds for how long a text that somebody chose
// stays in Redis. It is checked where a limit comes in: in a request, or to be stored.
// What is stored with longer windows, up to ratelimit.MaxDuration, keeps working: it is
// verified, shown, exported and imported, and may be stored again as it is.
const (
	MaxDuration     = 30 * 24 * 3600_000  // ms, of a request without a root key and everywhere in v2
	MaxLongDuration = 366 * 24 * 3600_000 // ms, with Access.LongDurations
)

// MaxDuration is the longest window that the caller may ask for, in ms.
func (a Access) MaxDuration() int64 {
	if a.LongDurations {
		return MaxLongDuration
	}
	return MaxDuration
}

// CheckLimit refuses with KindInvalid what ratelimit.Limit.Check refuses. The field is
// "limit" or "duration".
func CheckLimit(l ratelimit.Limit, least, longest int64) error {
	return invalidLimit(l.Check(least, longest))
}

// CheckDuration refuses with KindInvalid a window that is shorter than
// ratelimit.MinDuration, or longer than the caller may ask for. The field is "duration".
func (a Access) CheckDuration(ms int64) error {
	return invalidLimit(ratelimit.CheckDuration(ms, a.MaxDuration()))
}

func invalidLimit(err error) error {
	var out *ratelimit.BoundsError
	if errors.As(err, &out) {
		return Invalidf(out.Field, "%s", out)
	}
	return err
}

// LimitsOf says whose limits a list is, and with it how errors name them.
type LimitsOf struct {
	path  func(i int) string // of the limit at an index
	name  func(i int) string // the field of a name that can't be
	twice func(i int, name string) *Error
}

// KeyLimits are the limits of a key.
var KeyLimits = LimitsOf{
	path: func(int) string { return "ratelimit" },
	name: func(int) string { return "ratelimits" },
	twice: func(_ int, name string) *Error {
		return Invalidf("ratelimits", "two limits have the name %s", Redact(name))
	},
}

// IdentityLimits are the limits of an identity.
var IdentityLimits = LimitsOf{
	path: LimitPath,
	name: func(i int) string { return LimitPath(i) + ".name" },
	twice: func(i int, name string) *Error {
		return &Error{Kind: KindConflict, Resource: "ratelimit", Field: LimitPath(i) + ".name", Message: "two limits have the name " + strconv.Quote(name)}
	},
}

// LimitPath is the path of a request's limit at an index.
func LimitPath(i int) string { return "ratelimits." + strconv.Itoa(i) }

// Check refuses with KindInvalid limits that nothing may have, and more than MaxKeyLimits.
// Two of one name are KindInvalid for a key and KindConflict for an identity.
func (o LimitsOf) Check(limits []ratelimit.Limit) error {
	if len(limits) > MaxKeyLimits {
		return Invalidf("ratelimits", "at most %d", MaxKeyLimits)
	}
	names := map[string]bool{}
	for i, limit := range limits {
		if limit.Name == "" || len(limit.Name) > MaxExternalID || strings.ContainsRune(limit.Name, 0) {
			return Invalidf(o.name(i), "a limit's name has 1 to %d bytes", MaxExternalID)
		}
		if err := CheckLimit(limit, 1, ratelimit.MaxDuration); err != nil {
			return Within(o.path(i), err)
		}
		if names[limit.Name] {
			return o.twice(i, limit.Name)
		}
		names[limit.Name] = true
	}
	return nil
}

// CheckDurations refuses limits to be stored whose windows are longer than the caller
// may ask for, but for those that are stored with just these.
func (o LimitsOf) CheckDurations(a Access, limits, stored []ratelimit.Limit) error {
	for i, limit := range limits {
		if storedDuration(limit, stored) {
			continue
		}
		if err := a.CheckDuration(limit.Duration); err != nil {
			return Within(o.path(i), err)
		}
	}
	return nil
}

// storedDuration reports whether a limit of this name and duration is stored.
func storedDuration(limit ratelimit.Limit, stored []ratelimit.Limit) bool {
	for _, old := range stored {
		if old.Name == limit.Name && old.Duration == limit.Duration {
			return true
		}
	}
	return false
}
