package main

import (
	"context"
	"slices"

	"tollgate/cmd/tollgate/policies"
)

// reloadable are the settings of the configuration file that a reload applies. A change of
// another one waits for a restart.
var reloadable = []string{"log-level", "trusted-proxies", "forwarded-header", "client-ip-header", "forward-auth-policies"}

// reload reads everything again that may change while the gateway runs: the configuration
// file, and the files that settings name. Each piece stays as it was where its new value is
// wrong, and the log says which and why.
func (g *gateway) reload(stop context.Context) {
	for flag, source := range g.flags.certificates() {
		_, err := source.Reload()
		g.sayCertificate(flag, source, err)
	}
	if g.flags.sealer != nil {
		changed, err := g.flags.sealer.Reload()
		g.say("--sealing-keyset", changed, err)
	}
	next := g.flags
	if read := g.flags.again; read != nil {
		again, waiting, err := read()
		if g.say("--config", false, err); err == nil {
			next = again
		}
		for _, name := range waiting {
			g.log.Warn("a setting has changed and waits for a restart", "setting", "--"+name)
		}
	}
	g.reloadAddresses(next)
	g.reloadPolicies(stop, next)
	g.flags.setLevel(next.LogLevel)
	g.log.Info("reloaded", "log_level", next.LogLevel)
}

func (g *gateway) reloadAddresses(next *serveCommand) {
	rule, err := next.rule()
	if g.say("--trusted-proxies", false, err); err == nil {
		g.addresses.Replace(rule)
	}
}

// reloadPolicies reads the file again.
func (g *gateway) reloadPolicies(stop context.Context, next *serveCommand) {
	all, err := policiesOf(next.Policies, g.flags.GRPCPolicy)
	if g.say("--forward-auth-policies", false, err); err == nil {
		g.policies.Replace(all)
		go g.checkPolicies(stop)
	}
}

// policiesOf reads a file of policies, if any, and looks for the one that ext_authz needs.
func policiesOf(path, needed string) (all policies.Policies, err error) {
	if path != "" {
		if all, err = policies.Load(path); err != nil {
			return nil, usagef("--forward-auth-policies: %s", err)
		}
	}
	if needed != "" && all[needed] == nil {
		return nil, usagef("--grpc-policy: --forward-auth-policies has no such policy")
	}
	return all, nil
}

// say logs what came of reading a setting again, unless it is as it was.
func (g *gateway) say(setting string, changed bool, err error) {
	switch {
	case err != nil:
		g.log.Error("a setting can't be read again: it stays as it was", "setting", setting, "cause", err)
	case changed:
		g.log.Info("read again", "setting", setting)
	}
}

// restartNeeded returns the names of the settings that differ and that a reload does not
// apply.
func restartNeeded(before, now map[string]string) (names []string) {
	for name, value := range now {
		if before[name] != value && !slices.Contains(reloadable, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
