package keys

import (
	"net/netip"
)

// MaxAllowedIPs bounds how many addresses and networks an API may name.
const MaxAllowedIPs = 1000

// CheckAddresses returns addresses and networks in their canonical form.
func CheckAddresses(list []string) ([]string, error) {
	if len(list) > MaxAllowedIPs {
		return nil, Invalidf("allowedIps", "at most %d", MaxAllowedIPs)
	}
	clean := make([]string, len(list))
	for i, entry := range list {
		address, err := netip.ParseAddr(entry)
		if err == nil && address.Zone() == "" {
			clean[i] = address.Unmap().String()
			continue
		}
		network, err := netip.ParsePrefix(entry)
		if err != nil || network.Addr().Is4In6() {
			return nil, Invalidf("allowedIps", "%q is neither an address nor a network such as 10.0.0.0/8", Redact(entry))
		}
		clean[i] = network.Masked().String()
	}
	return clean, nil
}
