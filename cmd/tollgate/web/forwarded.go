package web

import (
	"iter"
	"net/netip"
	"strings"
)

// entriesOf returns the addresses of a header line's entries, the last one first, the zero
// Addr for one that can't be read. An entry is not looked at before its turn: what stands
// to the left of a trusted proxy's entry is the client's to write, and must not change how
// that entry is read.
type entriesOf func(line string) iter.Seq[netip.Addr]

// plainEntries reads a line of X-Forwarded-For.
func plainEntries(line string) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for more := true; more; {
			i := strings.LastIndexByte(line, ',')
			if !yield(parseNode(line[i+1:])) {
				return
			}
			line, more = line[:max(i, 0)], i >= 0
		}
	}
}

// forwardedEntries reads a line of Forwarded.
func forwardedEntries(line string) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for more := true; more; {
			i := lastSeparator(line)
			if !yield(forwardedFor(line[i+1:])) {
				return
			}
			line, more = line[:max(i, 0)], i >= 0
		}
	}
}

// lastSeparator returns the place of the last comma that no quoted string holds, -1 where
// there is none. It reads from the right, so that a quote which a client left open does not
// swallow what a proxy appended. In a well-formed element that is no other reading: a quote
// inside a quoted string follows an odd number of backslashes, the one that begins it "=".
func lastSeparator(line string) int {
	quoted := false
	for i := len(line) - 1; i >= 0; i-- {
		switch {
		case line[i] == '"' && !(quoted && backslashes(line[:i])%2 == 1):
			quoted = !quoted
		case line[i] == ',' && !quoted:
			return i
		}
	}
	return -1
}

// backslashes returns how many end a text.
func backslashes(text string) int { return len(text) - len(strings.TrimRight(text, `\`)) }

// forwardedFor returns the address of the for parameter of an element:
//
//	for="[2001:db8::1]:4711";proto=https
//
// It is the zero Addr where there is none, or more than one, or the element is malformed.
func forwardedFor(element string) (client netip.Addr) {
	found := false
	for rest := strings.Trim(element, blanks); rest != ""; {
		name, value, after, ok := cutParameter(rest)
		isFor := strings.EqualFold(name, "for")
		if !ok || isFor && found {
			return netip.Addr{}
		}
		if isFor {
			client, found = parseNode(value), true
		}
		rest = after
	}
	return client
}

const blanks = " \t"

// cutParameter reads name=value at the beginning of a text, up to a semicolon and behind
// it. An empty parameter is one without a name and a value.
func cutParameter(text string) (name, value, rest string, ok bool) {
	name, rest = cutToken(text)
	if name != "" {
		if rest, ok = strings.CutPrefix(rest, "="); !ok {
			return "", "", "", false
		}
		if value, rest, ok = cutValue(rest); !ok {
			return "", "", "", false
		}
	}
	rest = strings.TrimLeft(rest, blanks)
	after, ok := strings.CutPrefix(rest, ";")
	return name, value, strings.TrimLeft(after, blanks), ok || rest == ""
}

// cutValue reads a token or a quoted string.
func cutValue(text string) (value, rest string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		value, rest = cutToken(text)
		return value, rest, value != ""
	}
	var plain strings.Builder
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return plain.String(), text[i+1:], true
		case '\\':
			if i++; i == len(text) {
				return "", "", false
			}
		}
		plain.WriteByte(text[i])
	}
	return "", "", false
}

func cutToken(text string) (token, rest string) {
	n := 0
	for n < len(text) && tokenByte[text[n]] {
		n++
	}
	return text[:n], text[n:]
}

// parseNode reads an address with or without a port: 192.0.2.1, 192.0.2.1:80, 2001:db8::1,
// [2001:db8::1] and [2001:db8::1]:80. It is the zero Addr for anything else.
func parseNode(text string) netip.Addr {
	text = strings.Trim(text, blanks)
	host, rest, bracketed := text, "", false
	if inside, ok := strings.CutPrefix(text, "["); ok {
		host, rest, bracketed = strings.Cut(inside, "]")
		if !bracketed {
			return netip.Addr{}
		}
	} else if i := strings.IndexByte(text, ':'); i >= 0 && strings.LastIndexByte(text, ':') == i {
		host, rest = text[:i], text[i:]
	}
	address, err := netip.ParseAddr(host)
	if err != nil || bracketed && !address.Is6() || !isPort(rest) {
		return netip.Addr{}
	}
	return plainAddress(address)
}

// isPort reports whether a text is nothing, or a colon and a port: digits, or a name that
// hides one, such as "_web".
func isPort(text string) bool {
	if text == "" {
		return true
	}
	port, ok := strings.CutPrefix(text, ":")
	if hidden, is := strings.CutPrefix(port, "_"); is {
		return ok && IsHeaderName(hidden)
	}
	return ok && len(port) <= 5 && allDigits([]byte(port))
}
