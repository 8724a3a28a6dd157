package redisdb

import (
	"maps"
	"slices"
)

// Harmless are the commands that DurableWrites takes for reads.
func Harmless() []string { return slices.Sorted(maps.Keys(readOnlyCommands)) }
