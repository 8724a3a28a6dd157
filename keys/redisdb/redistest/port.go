package redistest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Servers that sentinels watch have the first of the ports to themselves. A sentinel
// goes on looking for a master that died: whoever took its port would be made a replica,
// and lose what it has.
const watchedPorts = 1000

// Client ports are taken from [lowPort, lowPort+ports), Cluster bus ports
// 10000 above them: both below the ephemeral range, so that no outgoing
// connection sits on a port while its server is down.
const (
	lowPort  = 11000
	ports    = 11000
	busAbove = 10000
)

// freePort returns a port that is free now, with its bus port. Another process
// may still take it first: the caller starts again with another then.
func freePort(tb testing.TB, watched bool) int {
	tb.Helper()
	for range 200 {
		p := lowPort + watchedPorts + rand.IntN(ports-watchedPorts)
		if watched {
			p = lowPort + rand.IntN(watchedPorts)
		}
		if free(p) && free(p+busAbove) {
			return p
		}
	}
	tb.Fatal("redistest: no free port on loopback")
	return 0
}

func free(port int) bool {
	l, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
