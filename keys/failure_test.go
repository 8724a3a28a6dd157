package keys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
)

// answered is an error that Redis answered.
type answered string

func (a answered) Error() string { return string(a) }
func (answered) RedisError()     {}

// Each failure of the store is told in one of a few sentences. Of those that came back
// from Redis by a code that refuses every write, and of those that were not sent, nothing
// was spent for certain; a script's own error, and a reply that did not come, leave it open.
func TestFailures(t *testing.T) {
	refusedConn := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for _, row := range []struct {
		err     error
		failure Failure
		certain bool
	}{
		{answered("OOM command not allowed when used memory > 'maxmemory'. script: 4f, on @user_script:9."), FailureFull, true},
		{answered("READONLY You can't write against a read only replica."), FailureReadOnly, true},
		{answered("NOREPLICAS Not enough good replicas to write."), FailureReadOnly, true},
		{answered("MISCONF Errors writing to the AOF file: No space left on device"), FailureReadOnly, true},
		{answered("MASTERDOWN Link with MASTER is down"), FailureReadOnly, true},
		{answered("LOADING Redis is loading the dataset in memory"), FailureRefused, true},
		{answered("CLUSTERDOWN The cluster is down"), FailureRefused, true},
		{answered("TRYAGAIN Multiple keys request during rehashing of slot"), FailureRefused, true},
		{answered("BUSY Redis is busy running a script"), FailureSlow, true},
		{answered("NOAUTH Authentication required."), FailureNotAllowed, true},
		{fmt.Errorf("failed to authenticate: %w", answered("WRONGPASS invalid username-password pair")), FailureNotAllowed, true},
		{answered("NOPERM this user has no permissions to run the 'evalsha' command"), FailureNotAllowed, true},
		{answered("NOPERM this user has no permissions to run the 'set' command script: 4f, on @user_script:9."), FailureNotAllowed, false},
		{answered("ERR The user executing the script can't run this command or subcommand script: 4f, on @user_script:9."), FailureNotAllowed, false},
		{answered("ERR user_script:9: attempt to index a nil value"), FailureRefused, false},
		{answered("WRONGTYPE Operation against a key holding the wrong kind of value"), FailureRefused, false},
		{answered("OOMPH is another word"), FailureRefused, false},
		{redis.ErrPoolTimeout, FailureSlow, true},
		{fmt.Errorf("too long in line: %w", ErrNotSent), FailureSlow, true},
		{refusedConn, FailureGone, true},
		{fmt.Errorf("x: %w", refusedConn), FailureGone, true},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, FailureGone, false},
		{io.EOF, FailureGone, false},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, FailureSlow, false},
		{context.DeadlineExceeded, FailureSlow, false},
		{unwritten(answered("LOADING Redis is loading the dataset in memory")), FailureSlow, false},
		{ErrReplica, FailureReadOnly, false},
		{ErrCutOff, FailureReadOnly, false},
		{ErrLost, FailureLost, true},
		{&UnfitError{"maxmemory-policy"}, FailureUnfit, true},
		{errors.New("something else"), FailureSlow, false},
	} {
		e := Unavailable(row.err)
		if e.Failure != row.failure || e.Message != failures[row.failure].message || NotRun(e) != row.certain {
			t.Errorf("%v: %s %q, certain %t", row.err, e.Failure, e.Message, NotRun(e))
		}
	}
}
