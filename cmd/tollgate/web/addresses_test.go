package web

import (
	"net/netip"
	"strings"
	"testing"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// proxies are those that the tests here trust.
var proxies = prefixes("192.0.2.0/24", "2001:db8:1::/48", "fe80::/10")

const unknownAddress = "invalid IP"

// asked returns the address of a request from peer whose header has these lines.
func asked(a *Addresses, peer string, lines ...string) string {
	return a.Client(plainAddress(netip.MustParseAddr(peer)), func(string) []string { return lines }).String()
}

// The address is counted from the right, past trusted proxies, over all lines of the
// header, and only where the peer is a trusted proxy.
func TestTheClientIsTheLastThatNoTrustedProxyIs(t *testing.T) {
	for _, header := range []struct {
		name  string
		entry func(string) string
	}{
		{XForwardedFor, func(node string) string { return node }},
		{Forwarded, func(node string) string { return `proto=https;For="` + node + `";by=_gateway` }},
	} {
		rule := must(NewAddresses(proxies, strings.ToLower(header.name)))
		line := func(nodes ...string) string {
			for i := range nodes {
				nodes[i] = header.entry(nodes[i])
			}
			return strings.Join(nodes, ", ")
		}
		for _, test := range []struct {
			name, peer string
			lines      []string
			want       string
		}{
			{"one proxy", "192.0.2.1", []string{line("203.0.113.9")}, "203.0.113.9"},
			{"what a client wrote before it", "192.0.2.1", []string{line("10.6.6.6", "203.0.113.9")}, "203.0.113.9"},
			{"the same in a line of its own", "192.0.2.1", []string{line("10.6.6.6"), line("203.0.113.9")}, "203.0.113.9"},
			{"a client that names a proxy", "192.0.2.1", []string{line("10.6.6.6", "192.0.2.7", "203.0.113.9")}, "203.0.113.9"},
			{"a chain of proxies", "192.0.2.1", []string{line("203.0.113.9", "192.0.2.3", "192.0.2.2")}, "203.0.113.9"},
			{"the chain over lines", "192.0.2.1", []string{line("10.6.6.6", "203.0.113.9"), line("192.0.2.3"), line("192.0.2.2")}, "203.0.113.9"},
			{"a chain of which one is not trusted", "192.0.2.1", []string{line("203.0.113.9", "198.51.100.1", "192.0.2.2")}, "198.51.100.1"},
			{"proxies all the way", "192.0.2.1", []string{line("192.0.2.3", "192.0.2.2")}, "192.0.2.3"},
			{"no header", "192.0.2.1", nil, "192.0.2.1"},
			{"from a peer that is not trusted", "203.0.113.5", []string{line("10.6.6.6")}, "203.0.113.5"},
			{"from one whose network is", "192.0.3.1", []string{line("10.6.6.6")}, "192.0.3.1"},
			{"a trusted peer as IPv6", "::ffff:192.0.2.1", []string{line("203.0.113.9")}, "203.0.113.9"},
			{"a trusted peer with a zone", "fe80::7%eth0", []string{line("203.0.113.9")}, "203.0.113.9"},
			{"a trusted proxy as IPv6 in the chain", "192.0.2.1", []string{line("203.0.113.9", "::ffff:192.0.2.2", "[2001:db8:1::1]:443")}, "203.0.113.9"},

			{"with a port", "192.0.2.1", []string{line("203.0.113.9:4711")}, "203.0.113.9"},
			{"IPv6", "192.0.2.1", []string{line("2001:db8::1")}, "2001:db8::1"},
			{"IPv6 in brackets", "192.0.2.1", []string{line("[2001:db8::1]")}, "2001:db8::1"},
			{"IPv6 with a port", "192.0.2.1", []string{line("[2001:DB8:0::1]:4711")}, "2001:db8::1"},
			{"IPv4 as IPv6", "192.0.2.1", []string{line("::ffff:203.0.113.9")}, "203.0.113.9"},
			{"IPv4 as IPv6 with a port", "192.0.2.1", []string{line("[::ffff:203.0.113.9]:1")}, "203.0.113.9"},
			{"a zone", "192.0.2.1", []string{line("2001:db8::1%eth0")}, "2001:db8::1"},
			{"a hidden port", "192.0.2.1", []string{line("203.0.113.9:_web-1")}, "203.0.113.9"},

			{"unknown", "192.0.2.1", []string{line("10.6.6.6", "unknown")}, unknownAddress},
			{"unknown behind a proxy", "192.0.2.1", []string{line("10.6.6.6", "unknown", "192.0.2.2")}, unknownAddress},
			{"hidden", "192.0.2.1", []string{line("10.6.6.6", "_hidden")}, unknownAddress},
			{"empty", "192.0.2.1", []string{line("10.6.6.6", "")}, unknownAddress},
			{"an empty line", "192.0.2.1", []string{line("10.6.6.6"), ""}, unknownAddress},
			{"a name", "192.0.2.1", []string{line("10.6.6.6", "localhost")}, unknownAddress},
			{"half an address", "192.0.2.1", []string{line("10.6.6.6", "203.0.113")}, unknownAddress},
			{"leading zeros", "192.0.2.1", []string{line("10.6.6.6", "203.0.113.09")}, unknownAddress},
			{"brackets left open", "192.0.2.1", []string{line("10.6.6.6", "[2001:db8::1")}, unknownAddress},
			{"IPv4 in brackets", "192.0.2.1", []string{line("10.6.6.6", "[203.0.113.9]")}, unknownAddress},
			{"no port", "192.0.2.1", []string{line("10.6.6.6", "203.0.113.9:")}, unknownAddress},
			{"a port that is none", "192.0.2.1", []string{line("10.6.6.6", "203.0.113.9:80a")}, unknownAddress},
			{"a port that is too long", "192.0.2.1", []string{line("10.6.6.6", "203.0.113.9:000080")}, unknownAddress},
			{"what is left of an unknown one is not asked", "192.0.2.1", []string{line("unknown", "203.0.113.9")}, "203.0.113.9"},
			{"as many proxies as are passed", "192.0.2.1", []string{line(append([]string{"203.0.113.9"}, repeated("192.0.2.2", maxHops-1)...)...)}, "203.0.113.9"},
			{"one more", "192.0.2.1", []string{line(append([]string{"203.0.113.9"}, repeated("192.0.2.2", maxHops)...)...)}, unknownAddress},
		} {
			if got := asked(rule, test.peer, test.lines...); got != test.want {
				t.Errorf("%s, %s: got %s, want %s", header.name, test.name, got, test.want)
			}
		}
	}
}

func repeated(text string, n int) (all []string) {
	for range n {
		all = append(all, text)
	}
	return all
}

// Forwarded is read as RFC 7239 writes it, and nothing that a client wrote before a proxy's
// element changes how that one is read.
func TestForwardedIsReadAsRFC7239HasIt(t *testing.T) {
	rule := must(NewAddresses(proxies, Forwarded))
	for line, want := range map[string]string{
		`for=203.0.113.9`:                                        "203.0.113.9",
		`FOR="[2001:db8:cafe::17]:4711"`:                         "2001:db8:cafe::17",
		`for=203.0.113.9;proto=http;by=203.0.113.43`:             "203.0.113.9",
		`by=_x;proto=http;for=203.0.113.9`:                       "203.0.113.9",
		`proto=http; for="203.0.113.9:80" ; by=_x`:               "203.0.113.9",
		`;;for=203.0.113.9;`:                                     "203.0.113.9",
		`for="\2\0\3.0.113.9"`:                                   "203.0.113.9",
		`for=203.0.113.9;host="a, for=10.6.6.6"`:                 "203.0.113.9",
		`for=10.6.6.6, for=203.0.113.9;host="a\", for=10.6.6.6"`: "203.0.113.9",
		`for=203.0.113.9;host="a\\"`:                             "203.0.113.9",
		`for=10.6.6.6,for=203.0.113.9,for=192.0.2.2`:             "203.0.113.9",
		`for="10.6.6.6, for=203.0.113.9`:                         "203.0.113.9", // the client left a quote open
		`for="10.6.6.6\, for="203.0.113.9"`:                      "203.0.113.9",
		`host="x, for="[2001:db8::9]:1";host="y"`:                "2001:db8::9",

		``:                                  unknownAddress,
		`for=10.6.6.6, proto=https`:         unknownAddress, // who called that proxy is not said
		`for=10.6.6.6, for=`:                unknownAddress,
		`for=10.6.6.6, for`:                 unknownAddress,
		`for=10.6.6.6, for=""`:              unknownAddress,
		`for=10.6.6.6, for = 203.0.113.9`:   unknownAddress,
		`for=203.0.113.9;for=10.6.6.6`:      unknownAddress,
		`for=10.6.6.6;For=10.6.6.6`:         unknownAddress,
		`for=[2001:db8::1]`:                 unknownAddress, // has to be quoted
		`for=203.0.113.9:80`:                unknownAddress, // has to be quoted
		`for="203.0.113.9`:                  unknownAddress,
		`for="203.0.113.9"x`:                unknownAddress,
		`for=203.0.113.9 proto=http`:        unknownAddress,
		`for=203.0.113.9;proto`:             unknownAddress,
		`for=203.0.113.9;host="`:            unknownAddress,
		`for="203.0.113.9\`:                 unknownAddress,
		`203.0.113.9`:                       unknownAddress,
		`for=10.6.6.6, 203.0.113.9`:         unknownAddress,
		`for=203.0.113.9;host="a";="b"`:     unknownAddress,
		`for=10.6.6.6, for=203.0.113.9"`:    unknownAddress,
		`for=10.6.6.6, for=203.0.113.9,`:    unknownAddress,
		"for=10.6.6.6, for=\"203.0.113.9\t": unknownAddress,
	} {
		if got := asked(rule, "192.0.2.1", line); got != want {
			t.Errorf("%s: got %s, want %s", line, got, want)
		}
	}
}

// A header of one address holds one, once; it is believed from trusted peers alone where
// there are any.
func TestAHeaderOfOneAddressHoldsOneOnce(t *testing.T) {
	anybody, some := must(NewAddresses(nil, "CF-Connecting-IP")), must(NewAddresses(proxies, "CF-Connecting-IP"))
	for _, test := range []struct {
		name, peer string
		lines      []string
		want       string
	}{
		{"one", "192.0.2.1", []string{"203.0.113.9"}, "203.0.113.9"},
		{"with a port", "192.0.2.1", []string{"[2001:db8::1]:80"}, "2001:db8::1"},
		{"none", "192.0.2.1", nil, unknownAddress},
		{"empty", "192.0.2.1", []string{""}, unknownAddress},
		{"a list", "192.0.2.1", []string{"10.6.6.6, 203.0.113.9"}, unknownAddress},
		{"twice", "192.0.2.1", []string{"10.6.6.6", "203.0.113.9"}, unknownAddress},
		{"twice the same", "192.0.2.1", []string{"203.0.113.9", "203.0.113.9"}, unknownAddress},
		{"not an address", "192.0.2.1", []string{"unknown"}, unknownAddress},
	} {
		for name, rule := range map[string]*Addresses{"from anybody": anybody, "from some": some} {
			if got := asked(rule, test.peer, test.lines...); got != test.want {
				t.Errorf("%s, %s: got %s, want %s", name, test.name, got, test.want)
			}
		}
		if got := asked(some, "203.0.113.5", test.lines...); got != "203.0.113.5" {
			t.Errorf("%s, from a peer that is not trusted: %s", test.name, got)
		}
	}
	if got := asked(nil, "192.0.2.1", "10.6.6.6"); got != "192.0.2.1" {
		t.Errorf("without a rule: %s", got)
	}
}

func TestNoRuleBelievesAListFromEverybody(t *testing.T) {
	for header, trusted := range map[string][]netip.Prefix{XForwardedFor: nil, "forwarded": nil, "": proxies, "X Y": proxies, "X:": nil, "X-É": nil} {
		if _, err := NewAddresses(trusted, header); err == nil {
			t.Errorf("%q from %v was taken", header, trusted)
		}
	}
}

// Whatever stands to the left of what a trusted proxy appended, in the same line or in
// others: the client is whom that proxy saw. An address is unknown or in plain form, and a
// peer that is not trusted is the client.
func FuzzAddresses(f *testing.F) {
	for _, text := range []string{"", "10.6.6.6", `for="`, `for="10.6.6.6\`, "for=10.6.6.6", ",,,", "192.0.2.2", `for=192.0.2.2;host="a\\\"`, "\x00\xff", "[", "unknown", "::ffff:10.6.6.6%1"} {
		f.Add(text)
	}
	rules := map[*Addresses][]string{
		must(NewAddresses(proxies, XForwardedFor)): {"203.0.113.9", "[::ffff:203.0.113.9]:80", "203.0.113.9:1", "203.0.113.9, 192.0.2.3"},
		must(NewAddresses(proxies, Forwarded)):     {"for=203.0.113.9", `for="203.0.113.9:80";host="a, \"b\\"`, `host="a\"";for="[::ffff:203.0.113.9]"`, `for=203.0.113.9 , for="192.0.2.3"`},
	}
	f.Fuzz(func(t *testing.T, text string) {
		for rule, all := range rules {
			for _, appended := range all {
				for _, lines := range [][]string{{text + "," + appended}, {text, appended}, {appended, text + ", " + appended}} {
					if got := asked(rule, "192.0.2.1", lines...); got != "203.0.113.9" {
						t.Errorf("%s %q: got %s", rule.now().header, lines, got)
					}
				}
			}
			client := rule.Client(proxies[0].Addr(), func(string) []string { return []string{text} })
			if client != plainAddress(client) {
				t.Errorf("%s %q: got %s", rule.now().header, text, client)
			}
			if got := asked(rule, "203.0.113.5", text); got != "203.0.113.5" {
				t.Errorf("%q was believed from a peer that is not trusted: %s", text, got)
			}
		}
	})
}

// A proxy that asks about a request is believed about whose it is only if it is trusted; who
// sent it the request is one more hop.
func TestAddressesOfWhoIsAskedAbout(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	list := must(NewAddresses(trusted, XForwardedFor))
	one := must(NewAddresses(trusted, "X-Real-IP"))
	everybody := must(NewAddresses(nil, "X-Real-IP"))
	for _, c := range []struct {
		rule         *Addresses
		peer, source string
		lines        []string
		want         string
	}{
		{nil, "10.0.0.1", "192.0.2.1", []string{"192.0.2.2"}, "10.0.0.1"},
		{list, "192.0.2.9", "192.0.2.1", []string{"192.0.2.2"}, "192.0.2.9"},
		{list, "10.0.0.1", "192.0.2.1", []string{"192.0.2.2"}, "192.0.2.1"},
		{list, "10.0.0.1", "10.0.0.2", []string{"192.0.2.3, 192.0.2.2"}, "192.0.2.2"},
		{list, "10.0.0.1", "10.0.0.2", []string{"192.0.2.2, 10.0.0.2"}, "192.0.2.2"},
		{list, "10.0.0.1", "10.0.0.2", nil, "10.0.0.2"},
		{list, "10.0.0.1", "10.0.0.2", []string{"192.0.2.2, unknown"}, ""},
		{list, "10.0.0.1", "", []string{"192.0.2.2"}, ""},
		{one, "10.0.0.1", "10.0.0.2", []string{"192.0.2.2"}, "192.0.2.2"},
		{one, "10.0.0.1", "192.0.2.1", []string{"192.0.2.2"}, "192.0.2.1"},
		{one, "10.0.0.1", "10.0.0.2", []string{"192.0.2.2", "192.0.2.3"}, ""},
		{everybody, "192.0.2.9", "192.0.2.1", []string{"192.0.2.2"}, "192.0.2.2"},
	} {
		got := c.rule.Asked(ParseAddress(c.peer), ParseAddress(c.source), func(string) []string { return c.lines })
		if got != ParseAddress(c.want) {
			t.Errorf("%s says %s with %q: %s, want %s", c.peer, c.source, c.lines, got, c.want)
		}
	}
}
