package extauthz

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"tollgate/keys"
	"tollgate/verify/authz"

	"golang.org/x/time/rate"
)

// logger writes one line a check. What was not decided comes in floods, and is written for
// the first few and then once a second, with the number left out. No line has anything that
// a client or a proxy wrote.
type logger struct {
	*slog.Logger
	store, other rate.Sometimes
	unwritten    atomic.Int64
}

func newLogger(l *slog.Logger) *logger {
	some := func(first int) rate.Sometimes { return rate.Sometimes{First: first, Interval: time.Second} }
	return &logger{Logger: l, store: some(5), other: some(100)}
}

func (l *logger) answered(a *authz.Answer, took time.Duration) {
	if a.Status >= http.StatusInternalServerError {
		l.failed(a, took)
	}
	if l.Enabled(context.Background(), slog.LevelDebug) {
		l.LogAttrs(context.Background(), slog.LevelDebug, "check", attrs(a, took)...)
	}
}

func (l *logger) failed(a *authz.Answer, took time.Duration) {
	limit := &l.other
	var e *keys.Error
	unavailable := errors.As(a.Err, &e) && e.Kind == keys.KindUnavailable
	if unavailable {
		limit = &l.store
	}
	l.unwritten.Add(1)
	limit.Do(func() {
		line := append(attrs(a, took), slog.Int64("unwritten", l.unwritten.Swap(0)-1))
		if unavailable {
			line = append(line, slog.String("store", e.Failure.String()), slog.Bool("nothing_spent", e.NothingSpent))
		}
		if a.Err != nil {
			line = append(line, slog.String("cause", a.Err.Error()))
		}
		l.LogAttrs(context.Background(), slog.LevelError, "check failed", line...)
	})
}

func attrs(a *authz.Answer, took time.Duration) []slog.Attr {
	return []slog.Attr{
		slog.String("dialect", "ext_authz"), slog.String("code", string(a.Code)), slog.Int("status", a.Status), slog.Duration("took", took),
	}
}

// panicked logs a panic. Its value may quote the request and is not logged, unless it is the
// runtime's own.
func (l *logger) panicked(method string, v any, stack []byte) {
	what := fmt.Sprintf("a panic of type %T", v)
	if err, ok := v.(runtime.Error); ok {
		what = err.Error()
	}
	l.other.Do(func() {
		l.Error("panic in a call", "method", method, "what", what, "stack", string(stack))
	})
}
