package redisdb

import (
	"context"
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

// StructLua defines struct, which takes packed fields apart and puts them together, as a local
// of a script that it is put in front of.
//
//go:embed struct.lua
var StructLua string

//go:embed state.lua
var stateFile string

// StateLua is StructLua, and defines what most scripts know of the store: its integers, its
// clock and its revisions.
var StateLua = StructLua + "\n" + stateFile

// Flag is how a script takes a bool.
func Flag(is bool) string {
	if is {
		return "1"
	}
	return "0"
}

// Script is a Lua script that runs on the store's layout.
type Script struct {
	Text, sha string
	boxedSHA  any
	form      func(*redis.Cmd) redis.Cmder
}

// NewScript joins the fragments of a script.
func NewScript(fragments ...string) *Script {
	text := strings.Join(fragments, "\n")
	sum := sha1.Sum([]byte(text))
	sha := hex.EncodeToString(sum[:])
	return &Script{Text: text, sha: sha, boxedSHA: sha, form: func(c *redis.Cmd) redis.Cmder { return once{c} }}
}

// ReadOnly says of a new script that nothing is lost where what it writes is: nobody
// waits until it is in the append-only file.
func (s *Script) ReadOnly() *Script {
	s.form = func(c *redis.Cmd) redis.Cmder { return reading{once{c}} }
	return s
}

// once is a command that is sent at most once: go-redis repeats every other one
// when a reply is late or lost, and a script that spends must not be repeated.
type once struct{ *redis.Cmd }

// NoRetry implements redis.Cmder.
func (once) NoRetry() bool { return true }

func (once) mayWrite() bool { return true }

func (once) wrote() bool { return true }

type reading struct{ once }

func (reading) mayWrite() bool { return false }

// Pending is the call of a script by RunReserved, used again by the next one. The script
// answers with a text that ends in 'w' where it has written anything, and in '-' where
// it has not. The zero value works.
type Pending struct {
	once
	settle func(context.Context) error // nil where nothing has to be waited for
}

func (p *Pending) wrote() bool {
	reply, err := p.Text()
	return err != nil || !strings.HasSuffix(reply, "-")
}

// Unkept reports whether the script has written what is not known to be in the
// append-only file: Settle says when it is.
func (p *Pending) Unkept() bool { return p.settle != nil }

// Settle returns when what the script has written is in the append-only file, or an
// error, KindUnavailable, when that is not known in time: then it may be forgotten.
func (p *Pending) Settle(ctx context.Context) error {
	if err := p.settle(ctx); err != nil {
		return Unavailable(err)
	}
	return nil
}

// Run runs the script once at most. names are the declared keys; all of one slot
// on a Cluster. A script that the server does not have yet did not run: it is
// sent again with its text. Every failure of the store is KindUnavailable.
func (s *Script) Run(ctx context.Context, client redis.UniversalClient, names []string, args ...any) (any, error) {
	reply, err := s.send(ctx, client, "evalsha", s.sha, names, args)
	if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
		reply, err = s.send(ctx, client, "eval", s.Text, names, args)
	}
	return reply, failed(client, err)
}

// Reserved is how many arguments RunReserved fills in by itself.
const Reserved = 3

// failed is KindUnavailable for every failure of the store. go-redis asks a Cluster who
// owns what after a failure that it retries; these it does not, so it is asked here:
// otherwise it would go on dialling a dead master for seconds after the failover.
func failed(client redis.UniversalClient, err error) error {
	if err == nil || errors.Is(err, redis.Nil) {
		return nil
	}
	if cluster, ok := client.(*redis.ClusterClient); ok {
		cluster.ReloadState(context.Background())
	}
	return Unavailable(err)
}

// RunReserved is Run for one on the hot path, that builds the arguments in a buffer
// of its own: Reserved places, so many names, each a string, and what the script
// takes. It does not wait for the append-only file: where p.Unkept says so, who relies
// on what was written calls p.Settle. p belongs to the call until then.
func (s *Script) RunReserved(ctx context.Context, client redis.UniversalClient, names int, args []any, p *Pending) (any, error) {
	args[0], args[1], args[2] = "evalsha", s.boxedSHA, names
	reply, err := p.process(ctx, client, names, args)
	if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
		args[0], args[1] = "eval", s.Text
		reply, err = p.process(ctx, client, names, args)
	}
	return reply, failed(client, err)
}

func (p *Pending) process(ctx context.Context, client redis.UniversalClient, names int, args []any) (any, error) {
	p.Cmd, p.settle = numbered(redis.NewCmd(ctx, args...), names), nil
	_ = client.Process(ctx, p) // the command holds its error
	return p.Result()
}

func (s *Script) send(ctx context.Context, client redis.UniversalClient, verb, body string, names []string, args []any) (any, error) {
	cmd := command(ctx, verb, body, names, args)
	_ = client.Process(ctx, s.form(cmd)) // the command holds its error
	return cmd.Result()
}

func command(ctx context.Context, verb, body string, names []string, args []any) *redis.Cmd {
	all := make([]any, 0, Reserved+len(names)+len(args))
	all = append(all, verb, body, len(names))
	for _, name := range names {
		all = append(all, name)
	}
	return numbered(redis.NewCmd(ctx, append(all, args...)...), len(names))
}

// numbered says where the names of a script's call begin.
func numbered(cmd *redis.Cmd, names int) *redis.Cmd {
	if names > 0 {
		cmd.SetFirstKeyPos(Reserved)
	}
	return cmd
}

// Text returns a reply's string, "" where it is nil.
func Text(reply any) string {
	s, _ := reply.(string)
	return s
}

// Number returns a reply's integer, 0 where it is something else.
func Number(reply any) int64 {
	n, _ := reply.(int64)
	return n
}
