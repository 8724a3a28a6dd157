package extauthz

import (
	"strings"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
)

// message is the client's request, as Envoy says it; it may be nil.
type message struct {
	*authv3.AttributeContext_HttpRequest
}

// values returns what Envoy says of a header. It has headers in a map, with lower-case names
// and the lines of a header joined with commas, or, with encode_raw_headers, in a list.
func (m message) values(name string) (all []string) {
	if value, ok := m.GetHeaders()[strings.ToLower(name)]; ok {
		all = append(all, value)
	}
	for _, h := range m.GetHeaderMap().GetHeaders() {
		if !strings.EqualFold(h.GetKey(), name) {
			continue
		}
		if value := h.GetValue(); value != "" {
			all = append(all, value)
		}
		if raw := h.GetRawValue(); len(raw) > 0 {
			all = append(all, string(raw))
		}
	}
	return all
}

// lines returns the lines of a header, parted again at commas. A list of headers is no proof
// that nothing was joined: Envoy joins the lines of those that it knows itself. Cookies have
// commas in them, and Envoy joins their lines with semicolons.
func (m message) lines(name string) (all []string) {
	values := m.values(name)
	if strings.EqualFold(name, "Cookie") {
		return values
	}
	for _, value := range values {
		for line := range strings.SplitSeq(value, ",") {
			all = append(all, strings.Trim(line, " \t"))
		}
	}
	return all
}

// otherCookies returns the cookies of the request but those of some names, as a header has
// them, and whether there was one of those.
func (m message) otherCookies(names map[string]bool) (rest string, found bool) {
	var kept []string
	for _, line := range m.values("Cookie") {
		for cookie := range strings.SplitSeq(line, ";") {
			cookie = strings.Trim(cookie, " \t")
			name, _, _ := strings.Cut(cookie, "=")
			switch {
			case names[strings.Trim(name, " \t")]:
				found = true
			case cookie != "":
				kept = append(kept, cookie)
			}
		}
	}
	return strings.Join(kept, "; "), found
}
