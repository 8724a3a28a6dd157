package main

import (
	"net/netip"
	"strings"

	"tollgate/cmd/tollgate/web"
)

// addressFlags say whose address a request has, for web.Addresses.
type addressFlags struct {
	TrustedProxies  []string `env:"TOLLGATE_TRUSTED_PROXIES" placeholder:"CIDR,…" help:"Proxies, by address or network, that are believed about whose address a request has. Without any, the client is the other end of the connection."`
	ForwardedHeader string   `env:"TOLLGATE_FORWARDED_HEADER" placeholder:"NAME" help:"The header to which --trusted-proxies append whom they saw, counted from the right: X-Forwarded-For, or Forwarded (RFC 7239). Exactly this one is read (X-Forwarded-For)."`
	ClientIPHeader  string   `env:"TOLLGATE_CLIENT_IP_HEADER" placeholder:"NAME" help:"Instead of --forwarded-header, one that holds the client's address alone, such as CF-Connecting-IP or X-Real-IP. Believed from --trusted-proxies; without those, from everybody who can connect."`
}

// rule makes the rule, nil where the connection alone counts. It refuses flags that can't
// be, or would have no effect.
func (f *addressFlags) rule() (*web.Addresses, error) {
	trusted, err := parseProxies(f.TrustedProxies)
	if err != nil {
		return nil, err
	}
	isList := func(name string) bool {
		return strings.EqualFold(name, web.XForwardedFor) || strings.EqualFold(name, web.Forwarded)
	}
	header := web.XForwardedFor
	switch {
	case f.ClientIPHeader != "" && f.ForwardedHeader != "":
		return nil, usagef("give either --client-ip-header or --forwarded-header: exactly one header is read")
	case isList(f.ClientIPHeader):
		return nil, usagef("--client-ip-header is for a header that holds one address: %s holds a list that a client can begin; use --trusted-proxies CIDR,… with --forwarded-header %[1]s", f.ClientIPHeader)
	case f.ClientIPHeader != "" && !web.IsHeaderName(f.ClientIPHeader):
		return nil, usagef("--client-ip-header: %q can't be the name of a header", f.ClientIPHeader)
	case f.ForwardedHeader != "" && !isList(f.ForwardedHeader):
		return nil, usagef("--forwarded-header: X-Forwarded-For or Forwarded; for a header that holds one address there is --client-ip-header")
	case f.ForwardedHeader != "" && len(trusted) == 0:
		return nil, usagef("--forwarded-header is believed from trusted proxies alone: name them with --trusted-proxies CIDR,…")
	case f.ClientIPHeader != "":
		header = f.ClientIPHeader
	case f.ForwardedHeader != "":
		header = f.ForwardedHeader
	case len(trusted) == 0:
		return nil, nil
	}
	return web.NewAddresses(trusted, header)
}

// parseProxies reads addresses and networks.
func parseProxies(list []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range list {
		network, err := parseNetwork(strings.TrimSpace(text))
		switch {
		case err != nil:
			return nil, usagef("--trusted-proxies: %q is neither an address nor a network such as 10.0.0.0/8", text)
		case network.Bits() == 0:
			return nil, usagef("--trusted-proxies: %s trusts everybody, and whoever is trusted chooses its own address", network)
		}
		all = append(all, network)
	}
	return all, nil
}

// parseNetwork reads a network, or an address as the network of it alone. One of IPv4 that
// is written as IPv6 becomes IPv4: addresses are compared in that form.
func parseNetwork(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	if network.Addr().Is4In6() && network.Bits() >= 96 {
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
	}
	return network.Masked(), nil
}
