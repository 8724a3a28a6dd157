package main

import (
	"context"
	"maps"
	"net/netip"
	"slices"
)

// checkPolicies warns of policies whose root key can't ask now. They are answered 500 until it
// can: it may be made later.
func (g *gateway) checkPolicies(stop context.Context) {
	all := g.policies.All()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := g.verifier.CheckRootKey(stop, all[name].RootKey, netip.Addr{}); err != nil {
			g.log.Warn("the root key of a policy of --forward-auth-policies can't ask", "policy", name, "cause", err)
		}
	}
}
