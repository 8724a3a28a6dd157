package verify_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/keys"
	"tollgate/keys/keystest"
	"tollgate/keys/redisdb"
	"tollgate/keys/redisdb/redistest"
	"tollgate/verify"

	"github.com/redis/go-redis/v9"
)

// wire counts what is sent on the connections that it makes.
type wire struct{ sent atomic.Int64 }

func (w *wire) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	return &wireConn{conn, w}, err
}

type wireConn struct {
	net.Conn
	wire *wire
}

func (c *wireConn) Write(p []byte) (int, error) {
	c.wire.sent.Add(1)
	return c.Conn.Write(p)
}

// durable is a world on a Redis with an append-only file, for which writes wait.
func durable(t *testing.T, timeout time.Duration) (*world, *redistest.Server, *wire) {
	t.Helper()
	server, line := redistest.Start(t, redistest.WithAOF("everysec")), &wire{}
	client := server.Client(func(o *redis.Options) { o.Dialer = line.dial })
	redisdb.DurableWrites(client, nil)
	w := newWorld(t, client)
	w.Verifier = verify.New(w.Store, verify.Options{Timeout: timeout})
	return w, server, line
}

// A verification asks for the append-only file in the round trip in which it spends.
func TestDurableIsOneRoundTrip(t *testing.T) {
	w, _, line := durable(t, 10*time.Second)
	warm := verify.Request{Secret: w.Create(keys.KeyDraft{Remaining: keystest.Uses(100)}).Secret, Cost: 1}
	w.code(verify.Valid, warm)
	before := line.sent.Load()
	for range 20 {
		w.code(verify.Valid, warm)
	}
	if n := line.sent.Load() - before; n < 20 || n > 22 { // an fsync may be under way
		t.Errorf("20 warm verifications were %d round trips", n)
	}
}

// busyFile makes writes until the test ends: there is no fsync without them.
func busyFile(t *testing.T, server *redistest.Server) {
	stop, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for other := server.Client(); ; time.Sleep(time.Millisecond) {
			select {
			case <-stop:
				return
			default:
				other.Incr(context.Background(), "other")
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-over })
}

// VALID comes when Redis has written the use to its append-only file; a refusal, which
// writes nothing, and a look do not wait. What waits too long is unknown.
func TestDurableWaitsForUsesAlone(t *testing.T) {
	w, server, _ := durable(t, 2*time.Second)
	rich, poor := w.Create(keys.KeyDraft{Remaining: keystest.Uses(100)}).Secret, w.Create(keys.KeyDraft{Remaining: keystest.Uses(0)}).Secret
	w.code(verify.Valid, verify.Request{Secret: rich, Cost: 1})
	w.code(verify.UsageExceeded, verify.Request{Secret: poor, Cost: 1})
	busyFile(t, server)
	release := server.HoldFsync()
	begun := time.Now()
	w.code(verify.UsageExceeded, verify.Request{Secret: poor, Cost: 1})
	w.code(verify.Valid, verify.Request{Secret: rich, Cost: verify.Free})
	w.code(verify.NotFound, verify.Request{Secret: keys.NewSecret("nobody's"), Cost: 1})
	if took := time.Since(begun); took > time.Second {
		t.Errorf("what spends nothing took %v", took)
	}
	if o, err := w.Verify(t.Context(), &verify.Request{Secret: rich, Cost: 1}); err == nil || keys.AsError(err).Kind != keys.KindUnavailable {
		t.Errorf("%v, %v before it was written", o, err)
	}
	release()
	w.code(verify.Valid, verify.Request{Secret: rich, Cost: 1})
	if o, err := w.Verify(t.Context(), &verify.Request{Secret: rich, Cost: verify.Free}); err != nil || *o.Remaining != 97 {
		t.Errorf("%+v, %v: each use was taken once, the unknown one too", o, err)
	}
}

// What spends nothing is answered before the file is written also where it travels with
// what spends, or behind it: a refusal, a look, a first read, what nobody knows.
func TestDurableUnspentTravelWithSpent(t *testing.T) {
	w, server, _ := durable(t, 4*time.Second)
	rich := w.Create(keys.KeyDraft{Remaining: keystest.Uses(1_000_000)}).Secret
	poor := w.Create(keys.KeyDraft{Remaining: keystest.Uses(0)}).Secret
	off := w.Create(keys.KeyDraft{Disabled: true}).Secret
	for _, secret := range []keys.Secret{rich, poor, off} {
		_, err := w.Verify(t.Context(), &verify.Request{Secret: secret, Cost: 1})
		w.Must(err)
	}
	var cold []keys.Secret
	unspent := func(i int) verify.Request {
		switch i % 5 {
		case 0:
			return verify.Request{Secret: rich, Cost: verify.Free}
		case 1:
			return verify.Request{Secret: off, Cost: 1}
		case 2:
			return verify.Request{Secret: keys.NewSecret("nobody's"), Cost: 1}
		case 3:
			return verify.Request{Secret: cold[i/5], Cost: 1}
		}
		return verify.Request{Secret: poor, Cost: 1}
	}
	for range 20 {
		cold = append(cold, w.Create(keys.KeyDraft{Remaining: keystest.Uses(0)}).Secret)
	}
	busyFile(t, server)
	release := server.HoldFsync()
	var spent, others sync.WaitGroup
	begin := make(chan struct{})
	for i := range 100 {
		spent.Go(func() {
			<-begin
			if o, err := w.Verify(t.Context(), &verify.Request{Secret: rich, Cost: 1}); err != nil || o.Code != verify.Valid {
				t.Errorf("a use after the file was written: %v, %v", o, err)
			}
		})
		others.Go(func() {
			<-begin
			r := unspent(i)
			if o, err := w.Verify(t.Context(), &r); err != nil || o.Code == verify.Valid && r.Cost > 0 {
				t.Errorf("what spends nothing: %v, %v", o, err)
			}
		})
	}
	close(begin)
	begun := time.Now()
	others.Wait()
	if took := time.Since(begun); took > time.Second {
		t.Errorf("what spends nothing took %v", took)
	}
	release()
	spent.Wait()
	if o, err := w.Verify(t.Context(), &verify.Request{Secret: rich, Cost: verify.Free}); err != nil || *o.Remaining != 1_000_000-101 {
		t.Errorf("%+v, %v: each use was taken once", o, err)
	}
}
