package proc

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Range is ports of loopback, all below the ephemeral ones.
type Range struct {
	Low, Count int
	Beside     int // not 0: with each port goes the one that is so far above it
}

// servers is where a server listens that has no other range. redistest's are apart, so that an
// address can also be used a while after it was found free.
var servers = Range{Low: 8_100, Count: 2_900}

// attempts is on how many ports a start is tried: others take ports as well.
const attempts = 5

// Addr returns the host:port of a port of loopback.
func Addr(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// FreeAddr returns an address on loopback that is free now. Others may still take it first:
// Serve tries again.
func FreeAddr() (string, error) {
	port, err := servers.Free()
	return Addr(port), err
}

// Serve starts a server on an address that is free, and on another one where somebody was
// faster. A start that fails must leave nothing that listens.
func Serve(start func(addr string) error) error {
	return servers.Serve(func(port int) error { return start(Addr(port)) })
}

// Serve is the function Serve on a port of the range.
func (r Range) Serve(start func(port int) error) error {
	var err error
	for range attempts {
		port, noPort := r.Free()
		if noPort != nil {
			return noPort
		}
		if err = start(port); err == nil || r.isFree(port) {
			return err
		}
	}
	return err
}

// Free returns a port of the range that is free now.
func (r Range) Free() (int, error) {
	for range 200 {
		if port := r.Low + rand.IntN(r.Count); r.isFree(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no port is free on loopback from %d to %d", r.Low, r.Low+r.Count-1)
}

func (r Range) isFree(port int) bool {
	return canListen(port) && (r.Beside == 0 || canListen(port+r.Beside))
}

func canListen(port int) bool {
	l, err := net.Listen("tcp", Addr(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
