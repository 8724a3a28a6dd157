package redisdb

import (
	"context"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// Fitness says whether the servers of a client may be asked at all, by what somebody
// who looks at them from time to time has found. It is safe for concurrent use.
type Fitness struct {
	unfit     atomic.Pointer[error]
	connected atomic.Pointer[func()]
}

// FitnessOf returns the Fitness of a client that Dial made, and nil for any other.
func FitnessOf(client redis.UniversalClient) *Fitness {
	ask := &fitnessOf{Cmd: redis.NewCmd(context.Background(), "ping")}
	if _, ok := client.(*redis.ClusterClient); !ok {
		if _, ok := client.(*redis.Client); !ok {
			return nil
		}
	}
	_ = client.Process(Inspecting(context.Background()), ask) // of another client this is a ping
	return ask.found
}

// Set says why the servers are unfit; nil says that they are fit. Until the next Set
// every command of the client fails with KindUnavailable and this cause, but for those
// with a context of Inspecting.
func (f *Fitness) Set(unfit error) {
	if unfit == nil {
		f.unfit.Store(nil)
		return
	}
	f.unfit.Store(&unfit)
}

// OnConnect has a function called whenever a connection to a server was made, except for
// a context of Inspecting: that server may be another one than before. It must not wait.
func (f *Fitness) OnConnect(call func()) { f.connected.Store(&call) }

func (f *Fitness) noteConnect(ctx context.Context) {
	if call := f.connected.Load(); call != nil && ctx.Value(inspecting{}) == nil {
		(*call)()
	}
}

type inspecting struct{}

// Inspecting returns a context for those who look at servers, whether they are fit or not.
func Inspecting(ctx context.Context) context.Context {
	return context.WithValue(ctx, inspecting{}, true)
}

// refusal is the error of a command while the servers are unfit; nil otherwise.
func (f *Fitness) refusal(ctx context.Context) error {
	unfit := f.unfit.Load()
	if unfit == nil || ctx.Value(inspecting{}) != nil {
		return nil
	}
	return *unfit
}

// handshakeCommands are the commands of a connection's start, which is made for whoever comes.
var handshakeCommands = map[string]bool{"hello": true, "auth": true, "client": true, "select": true}

// fitnessHook is the hook that has a client obey its Fitness.
type fitnessHook struct{ *Fitness }

// fitnessOf is not sent: the hook answers it.
type fitnessOf struct {
	*redis.Cmd
	found *Fitness
}

// DialHook implements redis.Hook.
func (h fitnessHook) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (h fitnessHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if ask, ok := cmd.(*fitnessOf); ok {
			ask.found = h.Fitness
			return nil
		}
		if err := h.refusal(ctx); err != nil && !handshakeCommands[cmd.Name()] {
			cmd.SetErr(err)
			return err
		}
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook implements redis.Hook.
func (h fitnessHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := h.refusal(ctx)
		if err == nil || len(cmds) == 0 || handshakeCommands[cmds[0].Name()] {
			return next(ctx, cmds)
		}
		for _, cmd := range cmds {
			cmd.SetErr(err)
		}
		return err
	}
}

// UnfitError is the cause of KindUnavailable while a server is set so that it loses
// what it acknowledged.
type UnfitError struct{ Why string }

// Error says what is wrong with the server, for the log.
func (e *UnfitError) Error() string { return e.Why }
