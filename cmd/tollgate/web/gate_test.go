package web

import (
	"strings"
	"testing"
)

func TestTheGateRefusesAmbiguousHeaders(t *testing.T) {
	for _, test := range []struct {
		name, headers string
		status        int // 0 passes
	}{
		{"ordinary", "Host: x\nAuthorization: Bearer a\nContent-Length: 2\nX-A: \tb c\n", 0},
		{"repeated but harmless", "Host: x\nAccept: a\nAccept: b\n", 0},
		{"empty value", "Host: x\nX-A:\n", 0},
		{"chunked", "Host: x\nTransfer-Encoding: chunked\n", 0},
		{"identity encoding", "Host: x\nContent-Encoding: identity\n", 0},
		{"no host", "X-A: b\n", 400},
		{"empty host", "Host:\n", 400},
		{"two hosts", "Host: x\nhost: x\n", 400},
		{"length and chunked", "Host: x\nContent-Length: 2\nTransfer-Encoding: chunked\n", 400},
		{"chunked and length", "Host: x\ntransfer-encoding: chunked\ncontent-length: 2\n", 400},
		{"two lengths, equal", "Host: x\nContent-Length: 2\nContent-Length: 2\n", 400},
		{"signed length", "Host: x\nContent-Length: +2\n", 400},
		{"list of lengths", "Host: x\nContent-Length: 2, 2\n", 400},
		{"two authorizations", "Host: x\nAuthorization: Bearer a\nauthorization: Bearer b\n", 400},
		{"two content types", "Host: x\nContent-Type: a/b\nContent-Type: a/b\n", 400},
		{"two client addresses", "Host: x\nTrue-Client-IP: 10.0.0.1\nTrue-Client-IP: 10.0.0.2\n", 400},
		{"identity transfer", "Host: x\nTransfer-Encoding: identity\n", 400},
		{"chunked twice", "Host: x\nTransfer-Encoding: chunked, chunked\n", 400},
		{"space before colon", "Host: x\nAuthorization : Bearer a\n", 400},
		{"space in name", "Host: x\nX A: b\n", 400},
		{"folded", "Host: x\nX-A: b\n c\n", 400},
		{"folded with colon", "Host: x\nX-A: b\n\tAuthorization: Bearer a\n", 400},
		{"no colon", "Host: x\nnonsense\n", 400},
		{"no name", "Host: x\n: b\n", 400},
		{"name beyond ASCII", "Host: x\nX-É: b\n", 400},
		{"NUL in a value", "Host: x\nX-A: b\x00c\n", 400},
		{"CR in a value", "Host: x\nX-A: b\rc\n", 400},
		{"DEL in a value", "Host: x\nX-A: b\x7fc\n", 400},
		{"gzip", "Host: x\nContent-Encoding: gzip\n", 415},
		{"br", "Host: x\nContent-Encoding: br\n", 415},
	} {
		f := gate([]byte(strings.ReplaceAll(test.headers, "\n", "\r\n")+"\r\n"), true, false)
		switch {
		case f == nil && test.status != 0, f != nil && f.Status != test.status:
			t.Errorf("%s: got %v, want %d", test.name, f, test.status)
		}
	}
	if f := gate([]byte("Host: x\nX-A: b\r\n\r\n"), true, false); f == nil {
		t.Error("a bare line feed passed")
	}
	if f := gate([]byte("X-A: b\r\n\r\n"), false, false); f != nil {
		t.Errorf("HTTP/1.0 needs no Host: %v", f)
	}
}

// TestTheGateOnALiveConnection sends each a second request behind the first:
// it must never be answered.
func TestTheGateOnALiveConnection(t *testing.T) {
	k := serve(t, nil)
	second := "GET /v1/greet?name=smuggled HTTP/1.1\nHost: x\n\n"
	for _, test := range []struct {
		name, request string
		status        int
	}{
		{"length and chunked", "POST /v1/greet HTTP/1.1\nHost: x\nContent-Length: 6\nTransfer-Encoding: chunked\n\n0\n\n", 400},
		{"two authorizations", "POST /v1/greet HTTP/1.1\nHost: x\nAuthorization: Bearer a\nAuthorization: Bearer b\nContent-Length: 2\n\n{}", 400},
		{"space in a name", "POST /v1/greet HTTP/1.1\nHost: x\nX A: b\nContent-Length: 2\n\n{}", 400},
		{"space before the colon", "POST /v1/greet HTTP/1.1\nHost: x\nContent-Length : 2\n\n{}", 400},
		{"folded", "POST /v1/greet HTTP/1.1\nHost: x\nX-A: b\n c\nContent-Length: 2\n\n{}", 400},
		{"two lengths", "POST /v1/greet HTTP/1.1\nHost: x\nContent-Length: 2\nContent-Length: 2\n\n{}", 400},
		{"two hosts", "POST /v1/greet HTTP/1.1\nHost: x\nHost: y\nContent-Length: 2\n\n{}", 400},
		{"no host", "POST /v1/greet HTTP/1.1\nContent-Length: 2\n\n{}", 400},
		{"NUL in a value", "POST /v1/greet HTTP/1.1\nHost: x\nX-A: a\x00b\nContent-Length: 2\n\n{}", 400},
		{"transfer encoding in HTTP/1.0", "POST /v1/greet HTTP/1.0\nHost: x\nTransfer-Encoding: chunked\n\n0\n\n", 400},
		{"gzip", "POST /v1/greet HTTP/1.1\nHost: x\nContent-Encoding: gzip\nContent-Length: 2\n\n{}", 415},
		{"fragment in the target", "POST /v1/greet#/../x HTTP/1.1\nHost: x\nContent-Length: 2\n\n{}", 400},
		{"a host in the target", "POST //v1/greet HTTP/1.1\nHost: x\nContent-Length: 2\n\n{}", 400},
		{"a bad escape in the target", "POST /v1/greet%2 HTTP/1.1\nHost: x\nContent-Length: 2\n\n{}", 400},
		{"no version of HTTP", "POST /v1/greet HTTP/0.0\nHost: x\nContent-Length: 2\n\n{}", 400},
		{"a later version", "POST /v1/greet HTTP/1.2\nHost: x\nContent-Length: 2\n\n{}", 400},
		{"bad chunk", "POST /v1/greet HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\nzz\n\n", 400},
		{"credential in a trailer", "POST /v1/greet HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n2\n{}\n0\nAuthorization: Bearer a\n\n", 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			answer := k.say(test.request + second)
			r := wantAnswer(t, answer, test.status, `"dialect"`)
			if !r.Close || strings.Contains(answer, "smuggled") {
				t.Errorf("the connection went on: %q", answer)
			}
		})
	}
}

func TestACRInAValueIsRefused(t *testing.T) {
	k := serve(t, nil)
	wantAnswer(t, k.sayRaw("GET /v1/greet HTTP/1.1\r\nHost: x\r\nX-A: a\rb\r\n\r\n"), 400, "")
	wantAnswer(t, k.sayRaw("GET /v1/greet HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n"), 400, "")
}

func TestATrailerIsNotAHeader(t *testing.T) {
	k := serve(t, nil)
	answer := k.say("POST /v1/greet HTTP/1.1\nHost: x\nConnection: close\nTransfer-Encoding: chunked\n\n" +
		"e\n{\"name\":\"Ann\"}\n0\nTrue-Client-IP: 10.0.0.1\n\n")
	wantAnswer(t, answer, 200, "Ann")
}

func TestParseAuthorization(t *testing.T) {
	for _, test := range []struct {
		header, token string
		found         Credential
	}{
		{"", "", Missing},
		{"Bearer abc", "abc", Presented},
		{"bearer  abc ", "abc", Presented},
		{"Bearer", "", BadScheme},
		{"Bearer ", "", BadScheme},
		{"Bearer a b", "", BadScheme},
		{"Basic abc", "", BadScheme},
		{"Bearerabc", "", BadScheme},
		{"abc", "", BadScheme},
	} {
		if token, found := parseAuthorization(test.header, "Bearer"); token != test.token || found != test.found {
			t.Errorf("%q: got %q %d", test.header, token, found)
		}
	}
}

// FuzzGate checks that nothing panics and that what passes has one reading.
func FuzzGate(f *testing.F) {
	f.Add([]byte("Host: x\r\nContent-Length: 2\r\n\r\n"))
	f.Add([]byte("Host: x\r\n X: y\r\n\r\n"))
	f.Add([]byte("a:b\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if gate(raw, true, false) != nil {
			return
		}
		lines := strings.Split(strings.TrimSuffix(string(raw), "\r\n"), "\r\n")
		for _, line := range lines {
			name, _, colon := strings.Cut(line, ":")
			if line != "" && (!colon || name == "" || strings.ContainsAny(line, "\r\n\x00") || strings.ContainsAny(name, " \t")) {
				t.Fatalf("%q passed with the line %q", raw, line)
			}
		}
	})
}

// On the wire as in the rule: the address comes from the lines as they were sent, of the
// one header that is read, and never from a trailer.
func TestTheAddressOfARequestOnTheWire(t *testing.T) {
	loopback := prefixes("127.0.0.0/8")
	for _, test := range []struct {
		name    string
		rule    *Addresses
		headers string
		want    string
	}{
		{"no rule", nil, "X-Forwarded-For: 10.6.6.6\nTrue-Client-IP: 10.6.6.6\n", "127.0.0.1"},
		{"a client's entry before the proxy's", must(NewAddresses(loopback, XForwardedFor)), "X-Forwarded-For: 10.6.6.6, 203.0.113.9\n", "203.0.113.9"},
		{"a client's line before the proxy's", must(NewAddresses(loopback, XForwardedFor)), "X-Forwarded-For: 10.6.6.6\nAccept: y\nx-forwarded-for: 203.0.113.9\n", "203.0.113.9"},
		{"the other header is ignored", must(NewAddresses(loopback, XForwardedFor)), "X-Forwarded-For: 203.0.113.9\nForwarded: for=10.6.6.6\n", "203.0.113.9"},
		{"and the other way round", must(NewAddresses(loopback, Forwarded)), "Forwarded: for=203.0.113.9\nX-Forwarded-For: 10.6.6.6\n", "203.0.113.9"},
		{"from a peer that is not trusted", must(NewAddresses(proxies, XForwardedFor)), "X-Forwarded-For: 10.6.6.6\n", "127.0.0.1"},
		{"a header of one address", must(NewAddresses(nil, "X-Real-IP")), "x-real-ip: 203.0.113.9\nX-Forwarded-For: 10.6.6.6\n", "203.0.113.9"},
		{"twice", must(NewAddresses(nil, "X-Real-IP")), "X-Real-IP: 10.6.6.6\nX-Real-IP: 203.0.113.9\n", "unknown"},
	} {
		k := serve(t, func(c *Config) { c.Addresses = test.rule })
		k.say("GET /v1/greet?name=Ann HTTP/1.1\nHost: x\nConnection: close\n" + test.headers + "\n")
		if log := k.log.String(); !strings.Contains(log, " client="+test.want+" ") {
			t.Errorf("%s: want %s in %s", test.name, test.want, log)
		}
	}
}
