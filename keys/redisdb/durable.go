package redisdb

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Redis writes its append-only file before it answers, with one exception: with
// appendfsync everysec it answers first while an fsync is under way in the background,
// and writes when that has ended, or after two seconds. A crash of Redis in between
// forgets what it acknowledged. INFO persistence says when that is so: a client of DurableWrites
// asks for it after every write, in the same round trip, and waits until Redis has
// written. An answer that says so after the write is enough:
// Redis writes what is pending before it sends an answer. (Redis 8 with io-threads does
// not: the answers of one turn of its loop may go out before the writing that ends it.)

//go:embed aofstatus.lua
var aofStatusFile string

// aofStatusLua goes with every call, so that it never has to be sent again by itself.
var aofStatusLua = aofStatusFile[strings.Index(aofStatusFile, "\nlocal")+1:] // without what it says to readers

const (
	// An append-only file that is switched on is noticed so soon.
	fileLookEvery = time.Second
	// While an fsync is under way its end is asked for so often.
	fsyncLookEvery = time.Millisecond
	fsyncLookLimit = time.Second
)

var (
	errUnwritten = errors.New("Redis has not written its append-only file yet")
	errRestarted = errors.New("another Redis answers than the one that had to write its append-only file")
)

// DurableWrites makes a client acknowledge a write only when Redis has handed it to
// the kernel for its append-only file, so that a crash of Redis, though not of its machine,
// loses nothing that was acknowledged whatever appendfsync is. A write for which that
// does not come in time fails as one whose reply was lost. It costs Redis some
// microseconds a round trip, and nothing where it keeps no such file. waited, which may
// be nil, is told how long each write that had to waited; it must be safe for
// concurrent use. Call it once for a client of Dial, before the first command, and use
// another client for what is no business of a Store: it does for commands, pipelines
// and transactions, but not for WATCH and for commands that block.
func DurableWrites(client redis.UniversalClient, waited func(time.Duration)) {
	if waited == nil {
		waited = func(time.Duration) {}
	}
	switch c := client.(type) {
	case *redis.ClusterClient:
		c.OnNewNode(func(node *redis.Client) { node.AddHook(&durable{node: node, waited: waited}) })
	case *redis.Client:
		c.AddHook(&durable{node: c, waited: waited})
	}
}

// durable is the hook on the client of one node.
type durable struct {
	node   *redis.Client
	waited func(time.Duration)
	lookAt atomic.Int64 // since start; before, there is no append-only file

	mu      sync.Mutex
	waiting []*write // for the end of an fsync
	looking bool
}

// write is one that is not in the file yet.
type write struct {
	run  string     // of the server that made it
	done chan error // has room for one
}

// start is the origin of durable.lookAt.
var start = time.Now()

// DialHook implements redis.Hook.
func (d *durable) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook. A write becomes a pipeline, which asks behind it.
func (d *durable) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if !mayWrite(cmd) || d.unkept() {
			return next(ctx, cmd)
		}
		pipe := d.node.Pipeline()
		_ = pipe.Process(ctx, cmd)
		if _, err := pipe.Exec(ctx); err != nil && cmd.Err() == nil {
			cmd.SetErr(err) // nothing that went wrong may look like success
		}
		return cmd.Err()
	}
}

// ProcessPipelineHook implements redis.Hook.
func (d *durable) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if !slices.ContainsFunc(cmds, mayWrite) || d.unkept() {
			return next(ctx, cmds)
		}
		asked := aofStatusSince(ctx, "")
		if cmds[0].Name() == "multi" { // nothing may stand behind its end
			err := next(ctx, cmds)
			_ = d.node.Process(ctx, asked) // the command holds its error
			return d.acknowledge(ctx, cmds, asked, err)
		}
		return d.acknowledge(ctx, cmds, asked, next(ctx, append(slices.Clip(cmds), asked)))
	}
}

// acknowledge returns the result of commands, as it is or as unknown, when what was asked
// behind them reports whether it is kept. A Pending is told how to wait instead.
func (d *durable) acknowledge(ctx context.Context, cmds []redis.Cmder, asked aofStatusCmd, err error) error {
	if !slices.ContainsFunc(cmds, hasWritten) {
		return err
	}
	settle := d.settling(asked)
	if settle == nil {
		return err
	}
	if p, ok := cmds[0].(*Pending); ok && len(cmds) == 1 {
		p.settle = settle
		return err
	}
	if late := settle(ctx); late != nil {
		for _, cmd := range cmds {
			if hasWritten(cmd) {
				cmd.SetErr(late)
			}
		}
		return late
	}
	return err
}

// unkept reports whether there was no append-only file a moment ago.
func (d *durable) unkept() bool { return int64(time.Since(start)) < d.lookAt.Load() }

// settling returns what returns when a write is in the file, by what was asked behind it;
// nil where it is.
func (d *durable) settling(asked aofStatusCmd) func(context.Context) error {
	status, err := asked.Text()
	switch {
	case err != nil:
		return func(context.Context) error { return unwritten(err) }
	case status == "":
		d.lookAt.Store(int64(time.Since(start) + fileLookEvery))
		return nil
	case status[0] != 'p':
		return nil
	}
	return func(ctx context.Context) error {
		begun := time.Now()
		err := d.await(ctx, status[1:])
		d.waited(time.Since(begun))
		return err
	}
}

// await returns when a server has written what it has done until now.
func (d *durable) await(ctx context.Context, run string) error {
	w := &write{run, make(chan error, 1)}
	d.mu.Lock()
	d.waiting = append(d.waiting, w)
	if !d.looking {
		d.looking = true
		go d.look()
	}
	d.mu.Unlock()
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return errUnwritten
	}
}

// look asks until nobody waits.
func (d *durable) look() {
	for {
		time.Sleep(fsyncLookEvery)
		d.mu.Lock()
		round := d.waiting
		d.waiting, d.looking = nil, len(round) > 0
		d.mu.Unlock()
		if len(round) == 0 {
			return
		}
		if left := d.lookFor(round); len(left) > 0 {
			d.mu.Lock()
			d.waiting = append(d.waiting, left...)
			d.mu.Unlock()
		}
	}
}

// lookFor answers the writes whose fate is known, and returns the others.
func (d *durable) lookFor(round []*write) (left []*write) {
	ctx, cancel := context.WithTimeout(context.Background(), fsyncLookLimit)
	defer cancel()
	run := round[0].run
	asked := aofStatusSince(ctx, run)
	_ = d.node.Process(ctx, asked) // the command holds its error
	status, err := asked.Text()
	for _, w := range round {
		switch {
		case err != nil:
			w.done <- unwritten(err)
		case w.run != run || status == "p"+run:
			left = append(left, w)
		case status == "w":
			w.done <- nil
		default:
			w.done <- errRestarted
		}
	}
	return left
}

// unwritten is the error of a write that was made, and of which nobody knows whether it is
// kept. What the asking met must not show through: it may tell of a command that did
// not run, and the write did.
func unwritten(cause error) error { return fmt.Errorf("%w: %v", errUnwritten, cause) }

// aofStatusCmd is the command that reports whether everything is in the file.
type aofStatusCmd struct{ *redis.Cmd }

func (aofStatusCmd) mayWrite() bool { return false }

func (aofStatusCmd) wrote() bool { return false }

// aofStatusSince asks whether a server that still has this run id has written
// everything; any server, for "". It goes to the node at hand: it names no key.
func aofStatusSince(ctx context.Context, run string) aofStatusCmd {
	return aofStatusCmd{redis.NewCmd(ctx, "eval", aofStatusLua, 0, run)}
}

// effect is what a command of this package reports of itself.
type effect interface {
	mayWrite() bool // before it is sent
	wrote() bool    // once it succeeded
}

// mayWrite reports whether a command can change anything.
func mayWrite(cmd redis.Cmder) bool {
	if e, ok := cmd.(effect); ok {
		return e.mayWrite()
	}
	return !readOnlyCommands[cmd.Name()]
}

// hasWritten reports whether a command that was answered has changed anything, as far as it says.
func hasWritten(cmd redis.Cmder) bool {
	if err := cmd.Err(); err != nil && !errors.Is(err, redis.Nil) {
		return false
	}
	if e, ok := cmd.(effect); ok {
		return e.mayWrite() && e.wrote()
	}
	return !readOnlyCommands[cmd.Name()]
}

// readOnlyCommands are commands that change nothing, with those of a connection's
// handshake. Every other command counts as a write.
var readOnlyCommands = func() map[string]bool {
	all := map[string]bool{}
	for _, name := range []string{
		"asking", "auth", "client", "cluster", "command", "config", "hello", "info", "ping", "readonly", "role", "script", "select", "time",
		"exists", "get", "getrange", "hget", "hgetall", "hlen", "hmget", "hscan", "mget", "pttl", "scan", "scard", "smembers", "sscan", "strlen", "ttl", "type",
		"zcard", "zcount", "zlexcount", "zrange", "zrangebylex", "zrangebyscore", "zrevrange", "zrevrangebylex", "zscan", "zscore",
	} {
		all[name] = true
	}
	return all
}()
