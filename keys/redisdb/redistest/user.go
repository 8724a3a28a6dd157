package redistest

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
)

// With TOLLGATE_STORE=rights every server knows the user that docs/operations.md describes,
// and what is tested logs in as that user. What a test itself asks, KEYS or DUMP or DEBUG, is
// asked as the default user, who may do everything: a command is the test's own where a file
// of tests, this package or keystest calls the client.

// The user, and where its line is, seen from this file.
const (
	userName     = "tollgate"
	userPassword = "secret"
	userPage     = "../../../docs/operations.md"
	userLine     = "ACL SETUSER " + userName + " "
)

// UserLine returns the command that makes the user of Redis, as docs/operations.md has it, with
// "secret" for the password.
func UserLine(tb testing.TB) []any {
	tb.Helper()
	_, here, _, _ := runtime.Caller(0)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(here), userPage))
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, userLine) {
			var args []any
			for _, word := range strings.Fields(strings.Replace(line, "PASSWORD", userPassword, 1)) {
				args = append(args, word)
			}
			return args
		}
	}
	tb.Fatalf("redistest: %s has no line of %s", userPage, userLine)
	return nil
}

// userConfig is UserLine as a line of redis.conf.
func userConfig(tb testing.TB) string {
	words := []string{"user"}
	for _, word := range UserLine(tb)[2:] {
		words = append(words, word.(string))
	}
	return strings.Join(words, " ")
}

// asUser reports whether what is tested logs in as the user, on a server with a password of
// its default user.
func asUser(password string) bool { return Kind() == rights && password == "" }

// restricted returns a client as the user, for what is tested, through which admin sends what
// the test itself asks.
func restricted[C redis.UniversalClient](tb testing.TB, user, admin C) C {
	user.AddHook(&ownCommands{admin})
	admins.Store(redis.UniversalClient(user), redis.UniversalClient(admin))
	tb.Cleanup(func() { admins.Delete(redis.UniversalClient(user)); _ = admin.Close() })
	return user
}

// restrictedNode is restricted for one server of a Cluster, which a test may ask by itself.
func restrictedNode(tb testing.TB, o *redis.Options) *redis.Client {
	admin := *o
	admin.Username, admin.Password, admin.CredentialsProvider, admin.CredentialsProviderContext = "", "", nil, nil
	return restricted(tb, redis.NewClient(o), redis.NewClient(&admin))
}

// admins has what sends a test's own commands, by client.
var admins sync.Map

// adminOf returns what sends a test's own commands to a client's store: mostly the client.
func adminOf(c redis.UniversalClient) redis.UniversalClient {
	if admin, ok := admins.Load(c); ok {
		return admin.(redis.UniversalClient)
	}
	return c
}

// ownCommands has the test's own commands sent by another client.
type ownCommands struct{ admin redis.UniversalClient }

// DialHook implements redis.Hook.
func (o *ownCommands) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (o *ownCommands) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(c context.Context, cmd redis.Cmder) error {
		if calledByTest() {
			return o.admin.Process(c, cmd)
		}
		return next(c, cmd)
	}
}

// ProcessPipelineHook implements redis.Hook.
func (o *ownCommands) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(c context.Context, cmds []redis.Cmder) error {
		if !calledByTest() {
			return next(c, cmds)
		}
		pipeline := o.admin.Pipeline()
		if last := len(cmds) - 1; cmds[0].Name() == "multi" && cmds[last].Name() == "exec" {
			pipeline, cmds = o.admin.TxPipeline(), cmds[1:last]
		}
		for _, cmd := range cmds {
			_ = pipeline.Process(c, cmd) // queues it
		}
		_, err := pipeline.Exec(c)
		return err
	}
}

// calledByTest reports whether the first caller outside the client is in a file of tests, in
// this package or in keystest.
func calledByTest() bool {
	var callers [64]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers[:])])
	for {
		frame, more := frames.Next()
		switch {
		case strings.Contains(frame.Function, "/go-redis/"), isHook(frame.Function):
		case strings.Contains(frame.Function, "/redistest."), strings.Contains(frame.Function, "/keystest."):
			return true
		default:
			return strings.HasSuffix(frame.File, "_test.go")
		}
		if !more {
			return false
		}
	}
}

// isHook reports whether a function is one that a client calls around each command.
func isHook(function string) bool {
	return strings.Contains(function, ".ProcessHook") || strings.Contains(function, ".ProcessPipelineHook") || strings.HasSuffix(function, ".calledByTest")
}
