package verify

import (
	"math"

	"tollgate/keys"
)

// Free is the cost of what looks and takes nothing. The zero cost is 1: a request that does
// not say what it costs must not be let through without being counted.
const Free = -1

// Costs returns the cost that takes n, for callers to whom 0 is nothing. A negative n is
// refused where the cost is used.
func Costs(n int64) int64 {
	switch {
	case n == 0:
		return Free
	case n < 0:
		return math.MinInt64
	}
	return n
}

// amount is what a cost takes.
func amount(cost int64) int64 {
	switch cost {
	case 0:
		return 1
	case Free:
		return 0
	}
	return cost
}

// checkCost refuses a cost that is none.
func checkCost(field string, cost int64) error {
	if n := amount(cost); n < 0 || n > keys.MaxCount {
		return keys.Invalidf(field, "a whole number from 0 to %d", int64(keys.MaxCount))
	}
	return nil
}
