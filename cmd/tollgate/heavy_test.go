package main

import (
	"slices"
	"strings"
	"testing"

	"tollgate/cmd/tollgate/netbird"
)

// Every endpoint whose answer is a list, or that goes through many counts or through all
// overrides of a namespace, takes its turn. No other does: they would wait for nothing.
func TestWhatIsHeavyTakesTurns(t *testing.T) {
	routes := slices.Concat(unkeyRoutes(), netbird.New(nil, nil, netbird.Options{}).Routes())
	for _, r := range routes {
		name := strings.ToLower(r.Name)
		large := strings.Contains(name, "list") || strings.Contains(name, "override") || strings.HasPrefix(r.Path, "/v1/") && strings.Contains(name, "getverifications")
		if r.IsHeavy() != large {
			t.Errorf("%s %s (%s): takes turns: %v, want %v", r.Method, r.Path, r.Name, r.IsHeavy(), large)
		}
	}
}
