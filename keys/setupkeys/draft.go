package setupkeys

import (
	"cmp"
	"strings"

	"tollgate/keys"
)

// The types of setup keys.
const (
	SetupReusable = "reusable"
	SetupOneOff   = "one-off"
)

// Lifetimes are the seconds that a setup key may live. The zero Lifetimes allow
// any positive number up to MaxSetupExpiry, and 0, which is for ever.
type Lifetimes struct{ Min, Max int64 }

// SetupKeyDraft describes a setup key to be made.
type SetupKeyDraft struct {
	Name           string
	Type           string
	ExpiresIn      int64 // seconds; 0 for never
	UsageLimit     int64 // 0 for unlimited; a one-off key is used once
	Groups         []string
	Ephemeral      bool
	ExtraDNSLabels bool
	Lifetimes      Lifetimes
}

// check refuses in NetBird's order, and in its words where it has some.
func (d *SetupKeyDraft) check() error {
	oneOff := d.Type == SetupOneOff
	switch {
	case strings.TrimSpace(d.Name) == "":
		return keys.Invalidf("name", "setup key name shouldn't be empty")
	case len(d.Name) > keys.MaxName:
		return keys.Invalidf("name", "setup key name has at most %d bytes", keys.MaxName)
	case !oneOff && d.Type != SetupReusable:
		return keys.Invalidf("type", "unknown setup key type %s", keys.Redact(d.Type))
	case oneOff && d.UsageLimit > 1:
		return keys.Invalidf("usage_limit", "usage_limit %d is not valid for a one-off setup key, which can be used once; "+
			"use type reusable for a key that can be used more than once", d.UsageLimit)
	case d.UsageLimit < 0:
		return keys.Invalidf("usage_limit", "usage_limit can not be negative")
	case d.UsageLimit > keys.MaxCount:
		return keys.Invalidf("usage_limit", "usage_limit can not be more than %d", int64(keys.MaxCount))
	}
	return cmp.Or(d.checkExpiry(), checkGroupCount(d.Groups))
}

func (d *SetupKeyDraft) checkExpiry() error {
	switch within := d.Lifetimes; {
	case d.ExpiresIn < 0:
		return keys.Invalidf("expires_in", "expiresIn can not be in the past")
	case within != Lifetimes{} && (d.ExpiresIn < within.Min || d.ExpiresIn > within.Max):
		return keys.Invalidf("expires_in", "expiresIn should be between %d and %d seconds", within.Min, within.Max)
	case d.ExpiresIn > keys.MaxSetupExpiry:
		return keys.Invalidf("expires_in", "expiresIn can not be more than 100 years")
	}
	return nil
}

func checkGroupCount(groups []string) error {
	if len(groups) > keys.MaxSetupGroups {
		return keys.Invalidf("auto_groups", "invalid auto groups: at most %d", keys.MaxSetupGroups)
	}
	return nil
}
