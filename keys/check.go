package keys

import "tollgate/refill"

// Bounds of what a key may hold.
const (
	MaxPrefix      = 16      // characters
	MaxName        = 4096    // bytes
	MaxExternalID  = 512     // bytes
	MaxMeta        = 1 << 16 // bytes of JSON
	MaxEnvironment = 256     // characters
	MaxKeyLimits   = 50
	MaxKeyRefs     = 1000 // permissions, and roles
)

// CheckText refuses with KindInvalid a text of more than so many bytes.
func CheckText(field, value string, most int) error {
	if len(value) > most {
		return Invalidf(field, "at most %d bytes", most)
	}
	return nil
}

// CheckExternalID refuses what is longer than MaxExternalID. field is what the caller's
// dialect calls it.
func CheckExternalID(field, value string) error { return CheckText(field, value, MaxExternalID) }

// CheckMeta refuses with KindInvalid metadata of more than MaxMeta bytes.
func CheckMeta(meta []byte) error {
	if len(meta) > MaxMeta {
		return Invalidf("meta", "at most %d bytes of JSON", MaxMeta)
	}
	return nil
}

var ErrExpires = Invalidf("expires", "unix milliseconds, from 1 to %d; null for never", int64(MaxTime))

// CheckTime refuses with KindInvalid what is no moment in unix ms; 0 is never.
func CheckTime(field string, ms int64) error {
	if ms < 0 || ms > MaxTime {
		return Invalidf(field, "unix milliseconds, from 0 to %d", int64(MaxTime))
	}
	return nil
}

func checkCredits(remaining *int64, r *refill.Schedule) error {
	if remaining != nil && (*remaining < 0 || *remaining > MaxCount) {
		return Invalidf("remaining", "a whole number from 0 to %d", int64(MaxCount))
	}
	if r == nil {
		return nil
	}
	if remaining == nil {
		return Invalidf("refill", "a refill needs remaining: a key without a balance never runs out")
	}
	return CheckSchedule(r)
}

// CheckSchedule refuses with KindInvalid a refill that has no meaning.
func CheckSchedule(r *refill.Schedule) error {
	if err := r.Check(); err != nil {
		return Invalidf("refill", "%s", err)
	}
	return nil
}
