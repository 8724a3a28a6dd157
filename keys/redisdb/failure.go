package redisdb

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"tollgate/keys"

	"github.com/redis/go-redis/v9"
)

// ErrFull is the cause of a Ping that found that a server has no memory left.
var ErrFull = errors.New("Redis is full: what takes memory is refused, reads and revocations work")

// ErrLost is the cause of KindUnavailable where the marker of a store is gone.
var ErrLost = errors.New("the store has lost its data, its marker is gone: restore it, or accept it as it is with 'tollgate store accept'")

var ErrRights = errors.New("the user of Redis may not use commands that Tollgate needs")

// refusal is what an error code of Redis means. A script writes last, and what refuses
// one of its writes for the state that the server is in refuses the first one: spent
// nothing reports whether nothing was written for certain.
type refusal struct {
	failure      keys.Failure
	spentNothing bool
}

// refusals are the codes that are known. Every other one, ERR above all, may come from
// the middle of a script.
var refusals = map[string]refusal{
	"OOM":         {keys.FailureFull, true},
	"READONLY":    {keys.FailureReadOnly, true},
	"NOREPLICAS":  {keys.FailureReadOnly, true},
	"MISCONF":     {keys.FailureReadOnly, true},
	"MASTERDOWN":  {keys.FailureReadOnly, true},
	"LOADING":     {keys.FailureRefused, true},
	"BUSY":        {keys.FailureSlow, true},
	"CLUSTERDOWN": {keys.FailureRefused, true},
	"TRYAGAIN":    {keys.FailureRefused, true},
	"MOVED":       {keys.FailureRefused, true},
	"ASK":         {keys.FailureRefused, true},
	"CROSSSLOT":   {keys.FailureRefused, true},
	"NOSCRIPT":    {keys.FailureRefused, true},
	"EXECABORT":   {keys.FailureRefused, true},
	"NOAUTH":      {keys.FailureNotAllowed, true},
	"WRONGPASS":   {keys.FailureNotAllowed, true},
	"NOPERM":      {keys.FailureNotAllowed, true},
}

// Unavailable wraps a failure of the store. Its message says in what way the store
// failed and no more: what the store said is for the log. What was asked for may or may
// not have happened, unless NotRun says that it did not; it happened at most once.
func Unavailable(err error) *keys.Error {
	f := failureOf(err)
	return &keys.Error{Kind: keys.KindUnavailable, Message: f.Message(), Failure: f, Err: err}
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
		return refusal{keys.FailureNotAllowed, false}, true
	case !known:
		return refusal{keys.FailureRefused, false}, true
	case r.failure == keys.FailureNotAllowed && strings.Contains(text, "script:"):
		r.spentNothing = false // other commands of the script may be allowed, and ran
	}
	return r, true
}

// ErrNotSent is in the chain of an error where nothing was sent to the store.
var ErrNotSent = errors.New("nothing was sent to the store")

// failureOf sorts the cause of a KindUnavailable.
func failureOf(err error) keys.Failure {
	var unfit *UnfitError
	switch {
	case errors.As(err, &unfit):
		return keys.FailureUnfit
	case errors.Is(err, ErrLost):
		return keys.FailureLost
	case errors.Is(err, ErrReplica), errors.Is(err, ErrCutOff):
		return keys.FailureReadOnly
	case errors.Is(err, ErrInfo), errors.Is(err, ErrRights):
		return keys.FailureNotAllowed
	case errors.Is(err, ErrFull):
		return keys.FailureFull
	}
	if r, ok := refusalOf(err); ok {
		return r.failure
	}
	if tooLate(err) {
		return keys.FailureSlow
	}
	var network *net.OpError
	if errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return keys.FailureGone
	}
	return keys.FailureSlow
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
