package keys

import (
	"tollgate/ratelimit"
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
		"MaxUsageKeys":     maxUsageKeys,
		"MaxUsageTags":     maxUsageTags,
		"MaxSetupExpiry":   MaxSetupExpiry,
		"MaxSetupGroups":   MaxSetupGroups,
		"MaxGroupName":     MaxGroupName,
		"MaxPeer":          MaxPeer,
		"MaxDNSLabels":     MaxDNSLabels,
		"MaxDomain":        maxDomain,
		"MinDuration":      ratelimit.MinDuration,
		"MaxDuration":      MaxDuration,
		"MaxLongDuration":  MaxLongDuration,
	}
}

// Patterns are the patterns that this package checks in requests, by their names.
func Patterns() map[string]string {
	return map[string]string{
		"Slug":   slugPattern.String(),
		"Domain": domainPattern.String(),
	}
}
