package faults

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb/redistest"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// knife cuts every connection when so many more bytes have passed in a direction; a
// negative number never does. It counts what passed since it was set.
type knife struct {
	replies, requests         int
	passedReplies, passedAsks int
}

func (k *knife) set(replies, requests int) { *k = knife{replies: replies, requests: requests} }

type knifeConn struct {
	net.Conn
	*knife
}

func (c *knifeConn) Read(p []byte) (int, error) {
	if c.replies < 0 {
		n, err := c.Conn.Read(p)
		c.passedReplies += n
		return n, err
	}
	if c.replies == 0 {
		_, _ = c.Conn.Read(make([]byte, 1)) // the reply is there, and does not arrive
		c.Conn.Close()
		return 0, io.EOF
	}
	n, err := c.Conn.Read(p[:min(len(p), c.replies)])
	c.replies -= n
	return n, err
}

func (c *knifeConn) Write(p []byte) (int, error) {
	if c.requests < 0 {
		c.passedAsks += len(p)
		return c.Conn.Write(p)
	}
	if c.requests > len(p) {
		c.requests -= len(p)
		return c.Conn.Write(p)
	}
	n, _ := c.Conn.Write(p[:c.requests])
	c.Conn.Close()
	return n, net.ErrClosed
}

func (k *knife) dialer(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	return &knifeConn{c, k}, err
}

// cutting is one verification of a key with one use and one limit left, cut somewhere.
type cutting struct {
	w      *world
	server *redistest.Server
	knife  knife
}

// once verifies a new key, by a gateway that knows it or does not, with a connection
// that is open and will be cut. It reports whether it was valid, and what was spent.
func (c *cutting) once(t *testing.T, warm bool, replies, requests int) (valid bool, spent int64) {
	o := *c.server.Client().Options()
	o.Dialer, o.PoolSize = c.knife.dialer, 1
	o.ReadTimeout = 500 * time.Millisecond
	client := redis.NewClient(&o)
	defer client.Close()
	g := newGateway(client)
	made := c.w.Create(keys.KeyDraft{Remaining: keystest.Uses(100), Limits: limitsOf(ever("l", 100))})
	c.knife.set(-1, -1)
	if _, err := g.Verify(t.Context(), &verify.Request{Secret: made.Secret, Cost: verify.Free, Limits: []verify.LimitRequest{{Name: "l", Cost: verify.Free}}}); err != nil {
		t.Fatal(err)
	}
	if !warm {
		g = newGateway(client)
	}
	c.knife.set(replies, requests)
	code, err := g.spend(t.Context(), made.Secret)
	if err != nil && !unavailable(err) {
		t.Errorf("cut at %d, %d: %v", replies, requests, err)
	}
	left := c.w.Left(made.ID)
	if counted := left.Windows[0].Current; counted != 100-left.Balance {
		t.Errorf("cut at %d, %d: %d credits and %d of the limit were spent", replies, requests, 100-left.Balance, counted)
	}
	return code == verify.Valid, 100 - left.Balance
}

// Wherever the connection is cut, in the request or in the reply, one verification
// spends once or not at all, credits and limits alike, and is VALID only if it spent.
func TestCutAtEveryByte(t *testing.T) {
	server := redistest.Start(t)
	c := &cutting{w: newWorld(t, server.Client()), server: server}
	for _, warm := range []bool{true, false} {
		name := "reading the key first"
		if warm {
			name = "key in memory"
		}
		if valid, spent := c.once(t, warm, -1, -1); !valid || spent != 1 {
			t.Fatalf("uncut: valid %t, spent %d", valid, spent)
		}
		replies, requests := c.knife.passedReplies, c.knife.passedAsks
		cuts, twice, free, once := 0, 0, 0, 0
		try := func(at, until int, cut func(int) (bool, int64)) {
			for ; at < until; at++ {
				valid, spent := cut(at)
				cuts++
				once += int(min(spent, 1))
				if spent > 1 {
					twice++
				}
				if valid {
					free++
					t.Errorf("%s: VALID although cut at %d", name, at)
				}
			}
		}
		try(0, replies, func(n int) (bool, int64) { return c.once(t, warm, n, -1) })
		try(0, requests, func(n int) (bool, int64) { return c.once(t, warm, -1, n) })
		row(t, "cut at every byte, "+name, "%d bytes of replies, %d of requests: %d cuts, %d spent once, %d twice, %d VALID", replies, requests, cuts, once, twice, free)
		if twice > 0 {
			t.Error("spent twice")
		}
	}
}
