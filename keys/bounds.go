package keys

import (
	"regexp"

	"tollgate/ratelimit"
)

// Bounds of an API's name, in characters.
const (
	MinAPIName = 3
	MaxAPIName = 256
)

// Bounds are the bounds that this package checks in requests, by their names, so that a
// dialect describes what is checked and has no numbers of its own.
func Bounds() map[string]int64 {
	return map[string]int64{
		"MaxName":          MaxName,
		"MaxExternalID":    MaxExternalID,
		"MaxMeta":          MaxMeta,
		"MaxKeyLimits":     MaxKeyLimits,
		"MaxKeyRefs":       MaxKeyRefs,
		"MaxAPIName":       MaxAPIName,
		"MaxDescription":   MaxDescription,
		"MaxNamespaceName": MaxNamespaceName,
		"MaxIdentifier":    MaxIdentifier,
		"MaxTime":          MaxTime,
		"MaxCount":         MaxCount,
		"MaxUsageKeys":     MaxUsageKeys,
		"MaxUsageTags":     MaxUsageTags,
		"MaxSetupExpiry":   MaxSetupExpiry,
		"MaxSetupGroups":   MaxSetupGroups,
		"MaxGroupName":     MaxGroupName,
		"MaxPeer":          MaxPeer,
		"MaxDNSLabels":     MaxDNSLabels,
		"MaxDomain":        MaxDomain,
		"MinDuration":      ratelimit.MinDuration,
		"MaxDuration":      MaxDuration,
		"MaxLongDuration":  MaxLongDuration,
	}
}

// Bounds of what permissions and roles are described by, in characters.
const (
	MaxPermissionName = 512
	MaxDescription    = 512
)

// Patterns are the patterns that this package checks in requests, by their names.
func Patterns() map[string]string {
	return map[string]string{
		"Slug":   SlugPattern.String(),
		"Domain": DomainPattern.String(),
	}
}

// MaxSetupExpiry bounds how long a setup key lives, in seconds: 100 years.
const MaxSetupExpiry = 100 * 366 * 86_400

// MaxGroupName bounds a group's name, in bytes.
const MaxGroupName = 512

// Bounds of a redemption.
const (
	MaxPeer      = 256 // bytes
	MaxDNSLabels = 32
	MaxDomain    = 253 // bytes
)

// MaxSetupGroups bounds the groups of a setup key.
const MaxSetupGroups = 500

const MaxUsageKeys = 1000 // that are named

// SlugPattern is what a permission may be called: Unkey's alphabet, and what its
// first generation let through on createKey besides.
var SlugPattern = regexp.MustCompile(`^[^\x00-\x20\x7f]+$`)

const MaxUsageTags = 20 // of one verification

// DomainPattern is a domain name, or a wildcard below one.
var DomainPattern = regexp.MustCompile(`^(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$`)
