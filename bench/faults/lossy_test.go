package faults

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/keys/redisdb"

	"github.com/redis/go-redis/v9"
)

// loss is what happens to a connection: how many of a thousand replies are cut off
// at the client's end, swallowed while the connection stays open, and how many of a
// thousand requests are.
type loss struct {
	cut, swallowed, unsent int
	on                     atomic.Bool
	lost                   atomic.Int64
}

// lossyConn loses what its loss says.
type lossyConn struct {
	net.Conn
	loss *loss
}

func (c *lossyConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.loss.on.Load() {
			return n, err
		}
		switch draw := rand.IntN(1000); {
		case draw < c.loss.cut:
			c.loss.lost.Add(1)
			c.Conn.Close()
			return 0, io.EOF
		case draw < c.loss.cut+c.loss.swallowed:
			c.loss.lost.Add(1)
			continue // until the deadline
		}
		return n, nil
	}
}

func (c *lossyConn) Write(p []byte) (int, error) {
	if c.loss.on.Load() && rand.IntN(1000) < c.loss.unsent {
		c.loss.lost.Add(1)
		if rand.IntN(2) == 0 {
			c.Conn.Close()
			return 0, net.ErrClosed
		}
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// dialer connects as go-redis does, and loses.
func (l *loss) dialer(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: 150 * time.Millisecond}
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &lossyConn{c, l}, nil
}

// dialLossy makes a gateway with the client of the program, on connections that lose.
func dialLossy(tb testing.TB, url string, l *loss) gateway {
	tb.Helper()
	client, err := redisdb.Dial(url, redisdb.Options{NoDurableWrites: true})
	if err != nil {
		tb.Fatal(err)
	}
	switch c := client.(type) {
	case *redis.ClusterClient:
		c.Options().Dialer = l.dialer // before its first connection
	case *redis.Client:
		o := *c.Options()
		o.Dialer = l.dialer
		client = redis.NewClient(&o)
	}
	tb.Cleanup(func() { _ = client.Close() })
	return newGateway(client)
}
