package keys

import (
	"strings"

	"tollgate/ratelimit"
	"tollgate/refill"
)

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

// check refuses what no dialect may store. A dialect's own bounds are narrower
// and were checked before; this is where the rules across fields are.
func (d *KeyDraft) check(a Access) error {
	switch {
	case len([]rune(d.Prefix)) > MaxPrefix:
		return Invalidf("prefix", "at most %d characters", MaxPrefix)
	case d.SecretBytes != 0 && (d.SecretBytes < MinSecretBytes || d.SecretBytes > MaxSecretBytes):
		return Invalidf("byteLength", "between %d and %d bytes", MinSecretBytes, MaxSecretBytes)
	case len([]rune(d.Environment)) > MaxEnvironment:
		return Invalidf("environment", "at most %d characters", MaxEnvironment)
	}
	return firstError(
		checkRefs("permissions", d.Permissions),
		checkRefs("roles", d.Roles),
		checkText("name", d.Name, MaxName),
		CheckExternalID("externalId", d.ExternalID),
		checkMeta(d.Meta),
		checkTime("expires", d.Expires),
		checkCredits(d.Remaining, d.Refill),
		a.checkDurations(d.Limits, nil, keyDuration),
		checkLimits(d.Limits),
	)
}

func firstError(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

func checkText(field, value string, most int) error {
	if len(value) > most {
		return Invalidf(field, "at most %d bytes", most)
	}
	return nil
}

// CheckExternalID refuses what is longer than MaxExternalID. field is what the caller's
// dialect calls it.
func CheckExternalID(field, value string) error { return checkText(field, value, MaxExternalID) }

func checkMeta(meta []byte) error {
	if len(meta) > MaxMeta {
		return Invalidf("meta", "at most %d bytes of JSON", MaxMeta)
	}
	return nil
}

var errExpires = Invalidf("expires", "unix milliseconds, from 1 to %d; null for never", int64(MaxTime))

func checkTime(field string, ms int64) error {
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
	return checkSchedule(r)
}

func checkSchedule(r *refill.Schedule) error {
	if err := r.Check(); err != nil {
		return Invalidf("refill", "%s", err)
	}
	return nil
}

func checkLimits(limits []ratelimit.Limit) error {
	if len(limits) > MaxKeyLimits {
		return Invalidf("ratelimits", "at most %d", MaxKeyLimits)
	}
	names := map[string]bool{}
	for _, limit := range limits {
		switch {
		case names[limit.Name]:
			return Invalidf("ratelimits", "two limits have the name %s", Redact(limit.Name))
		case limit.Name == "" || len(limit.Name) > MaxExternalID || strings.ContainsRune(limit.Name, 0):
			return Invalidf("ratelimits", "a limit's name has 1 to %d bytes", MaxExternalID)
		case limit.Limit < 1 || limit.Limit > MaxCount:
			return Invalidf("ratelimit.limit", "a whole number from 1 to %d", int64(MaxCount))
		}
		if err := checkDuration("ratelimit.duration", limit.Duration, ratelimit.MaxDuration); err != nil {
			return err
		}
		names[limit.Name] = true
	}
	return nil
}
