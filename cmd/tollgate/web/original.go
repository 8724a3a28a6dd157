package web

// originalURI are the headers in which proxies say what their client asked for.
var originalURI = []string{"X-Forwarded-Uri", "X-Original-URI", "X-Original-URL", "X-Envoy-Original-Path"}

// OriginalURI returns what the client of a proxy asked for, with its query, as the headers say
// it; "" where that is unknown. They are believed if the peer is a trusted proxy of
// Config.Addresses: whoever else writes them is not. Where several lines of them do not agree
// it is unknown: a client may have written one.
func (c *Call) OriginalURI() (uri string) {
	if !c.server.config.Addresses.Trusts(c.Peer()) {
		return ""
	}
	for _, name := range originalURI {
		for _, line := range c.HeaderLines(name) {
			switch {
			case line == "" || line == uri:
			case uri != "":
				return ""
			default:
				uri = line
			}
		}
	}
	return uri
}
