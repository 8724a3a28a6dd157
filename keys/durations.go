package keys

import (
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

// CheckDuration refuses windows longer than any request may ask for without a root key.
func CheckDuration(field string, ms int64) error { return Access{}.CheckDuration(field, ms) }

// CheckDuration refuses windows that are shorter than ratelimit.MinDuration, or longer
// than the caller may ask for.
func (a Access) CheckDuration(field string, ms int64) error {
	longest := int64(MaxDuration)
	if a.LongDurations {
		longest = MaxLongDuration
	}
	return CheckWindow(field, ms, longest)
}

// CheckWindow refuses with KindInvalid a window shorter than ratelimit.MinDuration or longer than longest, in ms.
func CheckWindow(field string, ms, longest int64) error {
	if ms < ratelimit.MinDuration || ms > longest {
		return Invalidf(field, "milliseconds, from %d to %d", int64(ratelimit.MinDuration), longest)
	}
	return nil
}

// CheckDurations refuses limits to be stored whose windows are longer than the caller
// may ask for, but for those that are stored with just these. field names the duration
// of the limit at an index.
func (a Access) CheckDurations(limits, stored []ratelimit.Limit, field func(int) string) error {
	for i, limit := range limits {
		if !storedDuration(limit, stored) {
			if err := a.CheckDuration(field(i), limit.Duration); err != nil {
				return err
			}
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

// KeyDuration names the duration of a key's limit in an error.
func KeyDuration(int) string { return "ratelimit.duration" }
