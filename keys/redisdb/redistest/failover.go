package redistest

import (
	"context"
	"hash/fnv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// withFailover returns a client of a group in which a replica takes over in the middle
// of the test, after a number of commands that its name decides.
func withFailover(tb testing.TB, g group) redis.UniversalClient {
	tb.Helper()
	c := g.dial(tb)
	h := fnv.New32a()
	_, _ = h.Write([]byte(tb.Name()))
	d := &failoverInjector{tb: tb, happen: func() {
		began := time.Now()
		g.handOver()
		await(tb, "the client to follow", func() bool { return writes(c) })
		tb.Logf("a replica took over, within %v", time.Since(began).Round(time.Millisecond))
	}}
	d.left.Store(int64(5 + h.Sum32()%40))
	c.AddHook(d)
	injectors.Store(c, d)
	tb.Cleanup(func() { injectors.Delete(c) })
	return c
}

// FailOverNow has what TOLLGATE_STORE would do to the client in the middle of the
// test happen now, if it has not yet: what follows is counted.
func FailOverNow(c redis.UniversalClient) {
	if d, ok := injectors.LoadAndDelete(c); ok {
		d.(*failoverInjector).now()
	}
}

// injectors finds what stands before a client.
var injectors sync.Map

// writes reports whether every master takes a write of the client's.
func writes(c redis.UniversalClient) bool {
	within, cancel := context.WithTimeout(context.WithValue(ctx, noFailover{}, true), 5*time.Second)
	defer cancel()
	for _, key := range []string{"{a}", "{b}", "{c}"} { // on one master each
		if c.Del(within, "redistest:"+key).Err() != nil {
			return false
		}
	}
	return true
}

// noFailover marks the context of commands that must not be held back: those of
// the failover, and greetings, which go through the hooks too, within another's.
type noFailover struct{}

// failoverInjector stands before a client: it holds commands back while a failover
// happens, and looks at what they are answered.
type failoverInjector struct {
	tb     testing.TB
	left   atomic.Int64 // commands until it happens
	happen func()
	once   sync.Once
	idle   sync.RWMutex // whoever holds it has no command under way
}

// pass waits until commands may go, and returns their context and what to call when
// they are done.
func (d *failoverInjector) pass(c context.Context) (context.Context, func()) {
	if c.Value(noFailover{}) != nil {
		return c, func() {}
	}
	if d.left.Add(-1) == 0 {
		d.now()
	}
	d.idle.RLock()
	return context.WithValue(c, noFailover{}, true), d.idle.RUnlock
}

// now lets the failover happen, once.
func (d *failoverInjector) now() {
	d.once.Do(func() {
		d.idle.Lock()
		defer d.idle.Unlock()
		d.happen()
	})
}

// judge fails the test for what no client of a Cluster may ever be answered.
func (d *failoverInjector) judge(cmd redis.Cmder) {
	err := cmd.Err()
	if err == nil || err == redis.Nil {
		return
	}
	for _, never := range []string{"CROSSSLOT", "MOVED ", "non local key"} {
		if strings.Contains(err.Error(), never) {
			d.tb.Errorf("redistest: %s: %v", cmd.Name(), err)
		}
	}
}

// DialHook implements redis.Hook.
func (d *failoverInjector) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (d *failoverInjector) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(c context.Context, cmd redis.Cmder) error {
		c, done := d.pass(c)
		defer done()
		err := next(c, cmd)
		d.judge(cmd)
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (d *failoverInjector) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(c context.Context, cmds []redis.Cmder) error {
		c, done := d.pass(c)
		defer done()
		err := next(c, cmds)
		for _, cmd := range cmds {
			d.judge(cmd)
		}
		return err
	}
}
