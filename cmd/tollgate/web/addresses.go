package web

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
)

// The headers that hold a list of addresses, to which each proxy on the way appends the
// address of whoever called it.
const (
	XForwardedFor = "X-Forwarded-For"
	Forwarded     = "Forwarded" // of RFC 7239
)

// Addresses decides whose address a request has. It is the one rule about that: the
// addresses that an API allows, the guess guard, the log, and whatever else asks.
//
// A header is what the client wrote, unless a proxy wrote it. So:
//
//   - A header is believed only where the peer, the other end of the connection, is
//     trusted. Otherwise the client is the peer.
//   - A list is read from the right, over all lines of the header in their order: the
//     last entry is what the peer saw, the one before it is what that proxy saw, as far as
//     the entries are trusted proxies. The client is the first that is not, or the
//     farthest where all are trusted, or the peer where there is none.
//   - An entry that is needed and can't be read ("unknown", "_hidden", an empty or a
//     malformed one) leaves the address unknown. Nothing to the left of it is believed.
//   - A header of one address that is absent, repeated or not exactly one address leaves
//     the address unknown.
//   - Exactly one header is read. Every other one is ignored.
//
// An unknown address is the zero netip.Addr. Allow-lists have it nowhere.
//
// A nil *Addresses and the zero one trust nobody: the client is the peer. It is safe for
// concurrent use.
type Addresses struct{ rule atomic.Pointer[addressRule] }

// addressRule is what NewAddresses is told.
type addressRule struct {
	trusted []netip.Prefix
	header  string
	entries entriesOf // nil for a header of one address
}

// Replace has the rule of other, which may be nil, from now on.
func (a *Addresses) Replace(other *Addresses) { a.rule.Store(other.now()) }

// now returns the rule; nil trusts nobody.
func (a *Addresses) now() *addressRule {
	if a == nil {
		return nil
	}
	return a.rule.Load()
}

// NewAddresses returns the rule that believes header from the trusted peers. XForwardedFor
// and Forwarded hold lists and need trusted peers. Any other header holds one address; for
// these no trusted peers means that every peer is believed. Prefixes must be masked, and
// IPv4 ones not mapped to IPv6. Letter case of the header does not matter.
func NewAddresses(trusted []netip.Prefix, header string) (*Addresses, error) {
	r := &addressRule{trusted: trusted, header: header}
	switch {
	case strings.EqualFold(header, XForwardedFor):
		r.entries = plainEntries
	case strings.EqualFold(header, Forwarded):
		r.entries = forwardedEntries
	case !IsHeaderName(header):
		return nil, errors.New("not the name of a header")
	}
	if r.entries != nil && len(trusted) == 0 {
		return nil, errors.New("a list of addresses is believed from trusted proxies alone")
	}
	a := &Addresses{}
	a.rule.Store(r)
	return a, nil
}

// IsHeaderName reports whether a header can have this name.
func IsHeaderName(name string) bool {
	for i := range len(name) {
		if !tokenByte[name[i]] {
			return false
		}
	}
	return name != ""
}

// maxHops bounds how many entries of a list are read. The address behind more trusted
// proxies than that is unknown.
const maxHops = 64

// Client returns the address of the client of a request, the zero Addr where it is
// unknown. lines returns the values of a header's lines in their order; it is not called
// where no header is believed.
func (a *Addresses) Client(peer netip.Addr, lines func(header string) []string) netip.Addr {
	return a.now().client(peer, lines)
}

func (r *addressRule) client(peer netip.Addr, lines func(header string) []string) netip.Addr {
	switch {
	case r == nil:
		return peer
	case r.entries == nil && len(r.trusted) == 0:
		return oneAddress(lines(r.header))
	case !r.trusts(peer):
		return peer
	case r.entries == nil:
		return oneAddress(lines(r.header))
	}
	return r.walk(peer, lines(r.header))
}

// Asked returns the address of the client whom a proxy asks about in a message of its own,
// as Envoy does: peer sent the message, and source is who sent the proxy the request, as the
// message says; the zero Addr where it does not. The message is believed like a header: from
// a trusted peer. The source is then one more hop, and lines are those of the request. From
// any other peer the client is what it is without a source.
func (a *Addresses) Asked(peer, source netip.Addr, lines func(header string) []string) netip.Addr {
	r := a.now()
	switch {
	case !r.trusts(peer):
		return r.client(peer, lines)
	case !source.IsValid():
		return netip.Addr{}
	}
	return r.client(source, lines)
}

// walk reads a list from the right, past the trusted.
func (r *addressRule) walk(client netip.Addr, lines []string) netip.Addr {
	hops := 0
	for _, line := range slices.Backward(lines) {
		for client = range r.entries(line) {
			if hops++; hops > maxHops {
				return netip.Addr{}
			}
			if !r.trusts(client) {
				return client
			}
		}
	}
	return client
}

// Trusts reports whether an address is a trusted proxy's.
func (a *Addresses) Trusts(address netip.Addr) bool { return a.now().trusts(address) }

func (r *addressRule) trusts(address netip.Addr) bool {
	return r != nil && slices.ContainsFunc(r.trusted, func(p netip.Prefix) bool { return p.Contains(address) })
}

// oneAddress reads a header that holds one address.
func oneAddress(lines []string) netip.Addr {
	if len(lines) != 1 {
		return netip.Addr{}
	}
	return parseNode(lines[0])
}

// Network returns an IPv4 address as it is, and of an IPv6 address the /64 that one client
// usually has: whoever is counted by address is counted by this.
func Network(address netip.Addr) netip.Addr {
	if address = plainAddress(address); address.Is6() {
		prefix, _ := address.Prefix(64) // 64 is in range
		return prefix.Addr()
	}
	return address
}

// plainAddress returns an address in the one form in which addresses are compared: IPv4
// that was mapped to IPv6 as IPv4, and without a zone, which names an interface of the
// machine that wrote it.
func plainAddress(address netip.Addr) netip.Addr { return address.Unmap().WithZone("") }

// AddressOf returns the address of an end of a TCP connection; the zero Addr of any other.
func AddressOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return plainAddress(tcp.AddrPort().Addr())
	}
	return netip.Addr{}
}

// ParseAddress reads an address with or without a port; it is the zero Addr for anything else.
func ParseAddress(text string) netip.Addr { return parseNode(text) }
