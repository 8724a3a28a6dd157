package web

import (
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hold opens a connection, waits until the server has it, and keeps it.
func (k *kit) hold() net.Conn {
	k.t.Helper()
	c, err := net.Dial("tcp", k.addr)
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { c.Close() })
	io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Read(make([]byte, 4096)); err != nil {
		k.t.Fatal(err)
	}
	return c
}

func TestConnectionsAreBounded(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Config)
		status int
	}{
		"in all":      {func(c *Config) { c.MaxConns = 3 }, 503},
		"per address": {func(c *Config) { c.MaxConnsPerIP = 3 }, 429},
	} {
		t.Run(name, func(t *testing.T) {
			k := serve(t, test.change)
			held := []net.Conn{k.hold(), k.hold(), k.hold()}
			request := post("/v1/greet", "", `{"name":"Ann"}`)
			r := wantAnswer(t, k.say(request), test.status, `"dialect":"plain"`)
			if test.status == 503 && r.Header.Get("Retry-After") != "1" {
				t.Error("no Retry-After")
			}
			held[0].Close()
			for wait := time.Now(); time.Since(wait) < 5*time.Second; time.Sleep(5 * time.Millisecond) {
				if answer := k.say(request); strings.HasPrefix(answer, "HTTP/1.1 200") {
					return
				}
			}
			t.Error("a closed connection did not free its place")
		})
	}
}

func TestANetworkIsAnIPv4AddressOrAnIPv6Net(t *testing.T) {
	for address, want := range map[string]string{
		"10.1.2.3":             "10.1.2.3",
		"::ffff:10.1.2.3":      "10.1.2.3",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::",
		"fe80::1%eth0":         "fe80::",
	} {
		if got := Network(netip.MustParseAddr(address)); got.String() != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
	if got := Network(netip.Addr{}); got.IsValid() {
		t.Errorf("no address: %s", got)
	}
}

// A trusted proxy's connections are those of everybody behind it: they are counted in all,
// and not as one client's.
func TestTrustedProxiesConnectionsCountInAllOnly(t *testing.T) {
	trusted := must(NewAddresses([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, XForwardedFor))
	k := serve(t, func(c *Config) { c.MaxConnsPerIP, c.MaxConns, c.Addresses = 1, 3, trusted })
	k.hold()
	k.hold()
	request := post("/v1/greet", "", `{"name":"Ann"}`)
	wantAnswer(t, k.say(request), 200, "Ann")
	k.hold()
	wantAnswer(t, k.say(request), 503, "too many connections")
}

func TestUntrustedPeersConnectionsAreCountedPerAddress(t *testing.T) {
	others := must(NewAddresses([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, XForwardedFor))
	k := serve(t, func(c *Config) { c.MaxConnsPerIP, c.Addresses = 1, others })
	k.hold()
	request := post("/v1/greet", "X-Forwarded-For: 192.0.2.9\n", `{"name":"Ann"}`)
	wantAnswer(t, k.say(request), 429, "too many connections from your address")
}

// TestAFloodIsCutOffWithoutAnswers opens more than can be answered politely.
func TestAFloodIsCutOffWithoutAnswers(t *testing.T) {
	k := serve(t, func(c *Config) { c.MaxConns = 1 })
	k.hold()
	var open []net.Conn
	for range 200 {
		c, err := net.Dial("tcp", k.addr)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	answered := 0
	for _, c := range open {
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if out, _ := io.ReadAll(c); len(out) > 0 {
			answered++
		}
		c.Close()
	}
	if answered == 0 || answered == len(open) {
		t.Errorf("%d of %d were answered", answered, len(open))
	}
}

// crowded is a listener that is out of file descriptors at first.
type crowded struct {
	net.Listener
	failures int
}

func (c *crowded) Accept() (net.Conn, error) {
	if c.failures--; c.failures >= 0 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept", syscall.EMFILE)}
	}
	return c.Listener.Accept()
}

func TestServingGoesOnAfterRunningOutOfDescriptors(t *testing.T) {
	k := serve(t, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go k.Serve(&crowded{ln, 2})
	k.addr = ln.Addr().String()
	wantAnswer(t, k.say(post("/v1/greet", "", `{"name":"Ann"}`)), 200, "Ann")
}

// TestARefusalDoesNotResetTheConnection sends far more than is read before the
// answer: a reset would fail the writing, and elsewhere than on Linux lose the
// answer.
func TestARefusalDoesNotResetTheConnection(t *testing.T) {
	k := serve(t, nil)
	c, err := net.Dial("tcp", k.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	request := strings.ReplaceAll(post("/v1/greet", "", strings.Repeat("x", 8<<20)), "\n", "\r\n")
	if _, err := io.WriteString(c, request); err != nil {
		t.Errorf("sending: %v", err)
	}
	out, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("receiving: %v", err)
	}
	wantAnswer(t, string(out), 413, `"dialect":"one"`)
}

func TestABrokenRequestIsAnsweredInItsOwnDialectNotTheOneBefore(t *testing.T) {
	k := serve(t, nil)
	c, err := dial(k.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.ask("0"); err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "POST /v2/greet HTTP/1.1\r\nnonsense\r\n\r\n")
	out, _ := io.ReadAll(c.in)
	wantAnswer(t, string(out), 400, `"dialect":"two"`)
}

// TestAParameterEndsWithItsRequest asks twice on one connection: the second
// path has no parameter, and must not find the first one's.
func TestAParameterEndsWithItsRequest(t *testing.T) {
	k := serve(t, nil)
	first := strings.Replace(post("/v1/greet/Bob", "", ""), "POST", "GET", 1)
	first = strings.Replace(first, "Connection: close\n", "", 1)
	answer := k.say(first + strings.Replace(post("/v1/param", "", ""), "POST", "GET", 1))
	if strings.Count(answer, `{"hello":"Bob"}`) != 1 || strings.Count(answer, `{"hello":""}`) != 1 {
		t.Errorf("%q", answer)
	}
}

// Connections of another protocol count towards the server's own bounds, and give back what
// they took.
func TestOtherConnectionsCount(t *testing.T) {
	k := serve(t, func(c *Config) { c.MaxConns = 2 })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	other := k.Limit(ln, 1<<20)
	dial := func() net.Conn {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	before := k.MemoryUsed()
	dial()
	accepted, err := other.Accept()
	if err != nil || k.MemoryUsed() != before+1<<20 {
		t.Fatalf("%v, %d bytes are in use", err, k.MemoryUsed()-before)
	}
	k.hold()
	over := dial()
	second := make(chan net.Conn, 1)
	go func() {
		if c, err := other.Accept(); err == nil {
			second <- c
		}
	}()
	over.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := over.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a connection over the bound: %v", err)
	}
	wantAnswer(t, k.say(post("/v1/greet", "", `{"name":"Ann"}`)), 503, `"dialect":"plain"`)
	accepted.Close()
	accepted.Close()
	dial()
	select {
	case c := <-second:
		c.Close()
	case <-time.After(5 * time.Second):
		t.Error("a closed connection did not free its place")
	}
}
