package keys

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// Failure says in what way the store failed: all that a caller is told of it.
type Failure uint8

// The ways in which a store fails. The zero Failure is that it was too slow.
const (
	FailureSlow       Failure = iota // it did not answer in time, or not in a way that can be read
	FailureGone                      // it can't be reached, or the connection broke
	FailureRefused                   // it answered with an error of its own
	FailureFull                      // it has no memory for more; reads and revocations work
	FailureReadOnly                  // it takes no writes: a replica, without the replicas it wants, a disk that fails
	FailureNotAllowed                // it refuses the credentials, or what they may do
	FailureLost                      // it has lost its data
	FailureUnfit                     // it is set so that it loses what it acknowledged
)

var failures = [...]struct {
	name, message string
	passes        bool
}{
	FailureSlow:       {"slow", "the store did not answer in time", true},
	FailureGone:       {"gone", "the store can't be reached", true},
	FailureRefused:    {"refused", "the store refused", true},
	FailureFull:       {"full", "the store is full", false},
	FailureReadOnly:   {"read_only", "the store takes no writes at the moment", true},
	FailureNotAllowed: {"not_allowed", "the store does not allow this", false},
	FailureLost:       {"lost", "the store has lost its data", false},
	FailureUnfit:      {"unfit", "the store is not set up to keep what it is told", false},
}

// Failures lists every Failure.
func Failures() []Failure {
	all := make([]Failure, len(failures))
	for i := range all {
		all[i] = Failure(i)
	}
	return all
}

// String names the failure for logs and metrics.
func (f Failure) String() string { return failures[f].name }

// Passes reports whether it may be over in a moment, so that asking again helps.
func (f Failure) Passes() bool { return failures[f].passes }

// refusal is what an error code of Redis means. A script writes last, and what refuses
// one of its writes for the state that the server is in refuses the first one: spent
// nothing reports whether nothing was written for certain.
type refusal struct {
	failure      Failure
	spentNothing bool
}

// refusals are the codes that are known. Every other one, ERR above all, may come from
// the middle of a script.
var refusals = map[string]refusal{
	"OOM":         {FailureFull, true},
	"READONLY":    {FailureReadOnly, true},
	"NOREPLICAS":  {FailureReadOnly, true},
	"MISCONF":     {FailureReadOnly, true},
	"MASTERDOWN":  {FailureReadOnly, true},
	"LOADING":     {FailureRefused, true},
	"BUSY":        {FailureSlow, true},
	"CLUSTERDOWN": {FailureRefused, true},
	"TRYAGAIN":    {FailureRefused, true},
	"MOVED":       {FailureRefused, true},
	"ASK":         {FailureRefused, true},
	"CROSSSLOT":   {FailureRefused, true},
	"NOSCRIPT":    {FailureRefused, true},
	"EXECABORT":   {FailureRefused, true},
	"NOAUTH":      {FailureNotAllowed, true},
	"WRONGPASS":   {FailureNotAllowed, true},
	"NOPERM":      {FailureNotAllowed, true},
}

// refusalOf returns what Redis's answer in a chain of errors means, if there is one.
func refusalOf(err error) (refusal, bool) {
	var answer redis.Error
	if !errors.As(err, &answer) {
		return refusal{}, false
	}
	text := answer.Error()
	code, _, _ := strings.Cut(text, " ")
	r, known := refusals[code]
	switch {
	case !known && strings.Contains(text, "can't run this command"): // in a script
		return refusal{FailureNotAllowed, false}, true
	case !known:
		return refusal{FailureRefused, false}, true
	case r.failure == FailureNotAllowed && strings.Contains(text, "script:"):
		r.spentNothing = false // other commands of the script may be allowed, and ran
	}
	return r, true
}

// ErrNotSent is in the chain of an error where nothing was sent to the store.
var ErrNotSent = errors.New("nothing was sent to the store")

// failureOf sorts the cause of a KindUnavailable.
func failureOf(err error) Failure {
	var unfit *UnfitError
	switch {
	case errors.As(err, &unfit):
		return FailureUnfit
	case errors.Is(err, ErrLost):
		return FailureLost
	case errors.Is(err, ErrReplica), errors.Is(err, ErrCutOff):
		return FailureReadOnly
	case errors.Is(err, ErrInfo), errors.Is(err, errRights):
		return FailureNotAllowed
	case errors.Is(err, errFull):
		return FailureFull
	}
	if r, ok := refusalOf(err); ok {
		return r.failure
	}
	if tooLate(err) {
		return FailureSlow
	}
	var network *net.OpError
	if errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return FailureGone
	}
	return FailureSlow
}

// tooLate reports whether a time limit of ours ended the waiting.
func tooLate(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &network) && network.Timeout()
}

// NotRun reports whether a failure of the store is one after which a script certainly
// has not written anything, nor will: nothing was sent, or the server refused it by one
// of the codes that say so.
func NotRun(err error) bool {
	if errors.Is(err, errUnwritten) {
		return false
	}
	var unfit *UnfitError
	if errors.Is(err, ErrNotSent) || errors.Is(err, ErrLost) || errors.As(err, &unfit) || errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrPoolExhausted) {
		return true
	}
	if r, ok := refusalOf(err); ok {
		return r.spentNothing
	}
	var network *net.OpError
	return errors.As(err, &network) && network.Op == "dial"
}
