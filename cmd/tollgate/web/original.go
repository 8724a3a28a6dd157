package web

// Original is the request that a proxy asks about. What is unknown in it is empty.
type Original struct {
	Method string
	URI    string // as the client sent it, with the query
	Host   string
}

// originals are the headers in which proxies say it.
var originals = struct{ method, uri, host []string }{
	[]string{"X-Forwarded-Method", "X-Original-Method"},
	[]string{"X-Forwarded-Uri", "X-Original-URI", "X-Original-URL", "X-Envoy-Original-Path"},
	[]string{"X-Forwarded-Host"},
}

// Original returns what the headers say about the request that a proxy asks about, if the
// peer is a trusted proxy of Config.Addresses: whoever else writes them is not believed. What
// several of them say, and do not agree on, is unknown: a client may have written one.
func (c *Call) Original() Original {
	if !c.server.config.Addresses.Trusts(c.Peer()) {
		return Original{}
	}
	return Original{c.agreed(originals.method), c.agreed(originals.uri), c.agreed(originals.host)}
}

// agreed returns the value of some headers where all their lines that have one have the same.
func (c *Call) agreed(names []string) (value string) {
	for _, name := range names {
		for _, line := range c.HeaderLines(name) {
			switch {
			case line == "" || line == value:
			case value != "":
				return ""
			default:
				value = line
			}
		}
	}
	return value
}
