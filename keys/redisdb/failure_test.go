package redisdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"tollgate/keys"

	"github.com/redis/go-redis/v9"
)

// answered is an error that Redis answered.
type answered string

func (a answered) Error() string { return string(a) }

func (answered) RedisError() {}

// Each failure of the store is told in one of a few sentences. Of those that came back
// from Redis by a code that refuses every write, and of those that were not sent, nothing
// was spent for certain; a script's own error, and a reply that did not come, leave it open.
func TestFailures(t *testing.T) {
	refusedConn := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for _, row := range []struct {
		err     error
		failure keys.Failure
		certain bool
	}{
		{answered("OOM command not allowed when used memory > 'maxmemory'. script: 4f, on @user_script:9."), keys.FailureFull, true},
		{answered("READONLY You can't write against a read only replica."), keys.FailureReadOnly, true},
		{answered("NOREPLICAS Not enough good replicas to write."), keys.FailureReadOnly, true},
		{answered("MISCONF Errors writing to the AOF file: No space left on device"), keys.FailureReadOnly, true},
		{answered("MASTERDOWN Link with MASTER is down"), keys.FailureReadOnly, true},
		{answered("LOADING Redis is loading the dataset in memory"), keys.FailureRefused, true},
		{answered("CLUSTERDOWN The cluster is down"), keys.FailureRefused, true},
		{answered("TRYAGAIN Multiple keys request during rehashing of slot"), keys.FailureRefused, true},
		{answered("BUSY Redis is busy running a script"), keys.FailureSlow, true},
		{answered("NOAUTH Authentication required."), keys.FailureNotAllowed, true},
		{fmt.Errorf("failed to authenticate: %w", answered("WRONGPASS invalid username-password pair")), keys.FailureNotAllowed, true},
		{answered("NOPERM this user has no permissions to run the 'evalsha' command"), keys.FailureNotAllowed, true},
		{answered("NOPERM this user has no permissions to run the 'set' command script: 4f, on @user_script:9."), keys.FailureNotAllowed, false},
		{answered("ERR The user executing the script can't run this command or subcommand script: 4f, on @user_script:9."), keys.FailureNotAllowed, false},
		{answered("ERR user_script:9: attempt to index a nil value"), keys.FailureRefused, false},
		{answered("WRONGTYPE Operation against a key holding the wrong kind of value"), keys.FailureRefused, false},
		{answered("OOMPH is another word"), keys.FailureRefused, false},
		{redis.ErrPoolTimeout, keys.FailureSlow, true},
		{fmt.Errorf("too long in line: %w", ErrNotSent), keys.FailureSlow, true},
		{refusedConn, keys.FailureGone, true},
		{fmt.Errorf("x: %w", refusedConn), keys.FailureGone, true},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, keys.FailureGone, false},
		{io.EOF, keys.FailureGone, false},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, keys.FailureSlow, false},
		{context.DeadlineExceeded, keys.FailureSlow, false},
		{unwritten(answered("LOADING Redis is loading the dataset in memory")), keys.FailureSlow, false},
		{ErrReplica, keys.FailureReadOnly, false},
		{ErrCutOff, keys.FailureReadOnly, false},
		{ErrLost, keys.FailureLost, true},
		{&UnfitError{"maxmemory-policy"}, keys.FailureUnfit, true},
		{errors.New("something else"), keys.FailureSlow, false},
	} {
		e := Unavailable(row.err)
		if e.Failure != row.failure || e.Message != row.failure.Message() || NotRun(e) != row.certain {
			t.Errorf("%v: %s %q, certain %t", row.err, e.Failure, e.Message, NotRun(e))
		}
	}
}
