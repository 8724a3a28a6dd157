package web

import (
	"bytes"
	"iter"
	"net/http"
	"strings"
)

// gate reads the header lines as they came and refuses what two readers could
// understand differently: a proxy in front of us is the other reader, and
// what they disagree about is how requests are smuggled. fasthttp lets all of
// this pass. It returns nil for a request that is fit to be routed.
// A body that nobody reads may have any Content-Encoding.
func gate(raw []byte, http11, ignoreBody bool) *Fault {
	var seen [len(single)]bool
	for key, value := range headerLines(raw) {
		if f := checkLine(key, value); f != nil {
			return f
		}
		i := indexSingle(key)
		if i < 0 {
			continue
		}
		if seen[i] {
			return bad("the header " + single[i] + " was sent twice")
		}
		seen[i] = true
		if i == contentEncoding && ignoreBody {
			continue
		}
		if f := checkSingle(i, value); f != nil {
			return f
		}
	}
	switch {
	case seen[contentLength] && seen[transferEncoding]:
		return bad("Content-Length and Transfer-Encoding exclude each other")
	case http11 && !seen[host]:
		return bad("the header Host is missing")
	}
	return nil
}

// gateStart wants a target without what has no place in one: where a "#" stands, one
// reader's path ends and another's goes on, and so with a "%" that escapes nothing. Of a
// version that it does not know nobody can say where a request ends. What follows "//" is
// a host to some.
func gateStart(target, protocol []byte) *Fault {
	path, _, _ := bytes.Cut(target, []byte("?"))
	if bytes.HasPrefix(target, []byte("//")) || bytes.ContainsFunc(target, notOfTargets) || !escaped(path) {
		return bad("the request's target has what targets cannot have")
	}
	if p := string(protocol); p != "HTTP/1.1" && p != "HTTP/1.0" {
		return bad("the request is not of HTTP/1.1")
	}
	return nil
}

func notOfTargets(r rune) bool { return r <= ' ' || r == 0x7f || r == '#' }

// escaped reports whether behind every "%" there are two hexadecimal digits.
func escaped(path []byte) bool {
	for i, b := range path {
		if b == '%' && (i+2 >= len(path) || !hexByte[path[i+1]] || !hexByte[path[i+2]]) {
			return false
		}
	}
	return true
}

// The headers that must occur once at most. Those about the client's address
// are here because it would depend on the reader which one counts: they are the
// ones that networks in front send by themselves. Whatever header Addresses is
// made for, it does not believe one that holds an address and occurs twice.
const (
	host = iota
	authorization
	contentLength
	transferEncoding
	contentEncoding
)

var single = [...]string{
	"Host", "Authorization", "Content-Length", "Transfer-Encoding", "Content-Encoding",
	"Content-Type", "True-Client-IP", "CF-Connecting-IP", "Expect",
}

func indexSingle(key []byte) int {
	for i := range single {
		if len(key) == len(single[i]) && strings.EqualFold(string(key), single[i]) {
			return i
		}
	}
	return -1
}

func checkSingle(i int, value []byte) *Fault {
	switch {
	case i == contentEncoding && !bytes.EqualFold(value, []byte("identity")):
		return &Fault{http.StatusUnsupportedMediaType, "send the body without Content-Encoding"}
	case i == transferEncoding && !bytes.EqualFold(value, []byte("chunked")):
		return bad("the only Transfer-Encoding understood is chunked")
	case i == contentLength && !allDigits(value):
		return bad("Content-Length is not a number")
	case i == host && len(value) == 0:
		return bad("the header Host is empty")
	}
	return nil
}

func allDigits(s []byte) bool {
	for _, b := range s {
		if b < '0' || b > '9' {
			return false
		}
	}
	return len(s) > 0
}

// checkLine wants a name that is a token, directly followed by its colon, and
// a value without control characters. A folded line has white space where its
// name should be; a line that ended in a bare LF shows as an empty name.
func checkLine(key, value []byte) *Fault {
	if len(key) == 0 {
		return bad("a header line has no name")
	}
	for _, b := range key {
		if !tokenByte[b] {
			return bad("a header name has a character that names cannot have")
		}
	}
	for _, b := range value {
		if b < ' ' && b != '\t' || b == 0x7f {
			return bad("a header value has a control character")
		}
	}
	return nil
}

var (
	tokenByte = setOf("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	hexByte   = setOf("0123456789abcdefABCDEF")
)

func setOf(bytes string) (set [256]bool) {
	for i := range len(bytes) {
		set[bytes[i]] = true
	}
	return set
}

// headerLines returns the name and the trimmed value of each line, up to the
// empty one. A line that is not terminated by CRLF, or lacks its colon, has no
// name, which no check lets pass.
func headerLines(raw []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for len(raw) > 0 && !bytes.Equal(raw, crlf) {
			line, rest, ended := bytes.Cut(raw, []byte("\n"))
			raw = rest
			line, whole := bytes.CutSuffix(line, []byte("\r"))
			key, value, colon := bytes.Cut(line, []byte(":"))
			if !ended || !whole || !colon {
				key = nil
			}
			if !yield(key, trimBlanks(value)) {
				return
			}
		}
	}
}

func trimBlanks(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

var crlf = []byte("\r\n")

func bad(message string) *Fault { return &Fault{http.StatusBadRequest, message} }
