package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"tollgate/keys"

	"golang.org/x/time/rate"
)

// logger writes one line a request. Failures that come in floods, the store's
// above all, are written for the first few and then once a second, with the
// number left out.
type logger struct {
	*slog.Logger
	store, other, network rate.Sometimes
	unwritten             atomic.Int64
}

func newLogger(l *slog.Logger) *logger {
	some := func(first int) rate.Sometimes { return rate.Sometimes{First: first, Interval: time.Second} }
	return &logger{Logger: l, store: some(5), other: some(100), network: some(5)}
}

func (l *logger) answered(c *Call, status int, took time.Duration) {
	if status >= 500 {
		l.failed(c, status, took)
	}
	if l.Enabled(context.Background(), slog.LevelDebug) {
		l.LogAttrs(context.Background(), slog.LevelDebug, "request", c.attrs(status, took)...)
	}
}

func (l *logger) failed(c *Call, status int, took time.Duration) {
	limit := &l.other
	var e *keys.Error
	if errors.As(c.cause, &e) && e.Kind == keys.KindUnavailable {
		limit = &l.store
	}
	l.unwritten.Add(1)
	limit.Do(func() {
		attrs := append(c.attrs(status, took), slog.Int64("unwritten", l.unwritten.Swap(0)-1))
		if e != nil && e.Kind == keys.KindUnavailable {
			attrs = append(attrs, slog.String("store", e.Failure.String()), slog.String("outcome", outcomeOf(e)))
		}
		if c.cause != nil {
			attrs = append(attrs, slog.String("cause", c.cause.Error()))
		}
		l.LogAttrs(context.Background(), slog.LevelError, "request failed", attrs...)
	})
}

// outcomeOf reports whether a verification that failed certainly spent nothing.
func outcomeOf(e *keys.Error) string {
	if e.NothingSpent {
		return "certain"
	}
	return "unknown"
}

func (l *logger) panicked(c *Call, what string, stack []byte) {
	l.other.Do(func() {
		l.Error("panic in a handler", "route", c.routePath(), "request_id", c.id, "what", what, "stack", string(stack))
	})
}

func (c *Call) attrs(status int, took time.Duration) []slog.Attr {
	return []slog.Attr{
		slog.String("dialect", c.dialect.Name),
		slog.String("method", c.knownMethod()),
		slog.String("route", c.routePath()),
		slog.Int("status", status),
		slog.Duration("took", took),
		slog.Int("bytes", c.answerSize()),
		slog.String("client", c.clientText()),
		slog.String("request_id", c.id),
	}
}

// answerSize is how many bytes the answer's body has.
func (c *Call) answerSize() int {
	if c.http.Response.IsBodyStream() { // of a known length
		return c.http.Response.Header.ContentLength()
	}
	return len(c.http.Response.Body())
}

// clientText is the client's address as it was parsed: never what a header said.
func (c *Call) clientText() string {
	if client := c.Client(); client.IsValid() {
		return client.String()
	}
	return "unknown"
}

// knownMethod keeps what a caller made up out of the log.
func (c *Call) knownMethod() string {
	switch m := c.Method(); m {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return m
	}
	return "other"
}

// routePath is the pattern, not the path, which may hold anything.
func (c *Call) routePath() string {
	if c.route == nil {
		return "none"
	}
	return c.route.Path
}

func typeName(v any) string { return fmt.Sprintf("%T", v) }

// fasthttpLog takes fasthttp's messages. It keeps what kind of thing happened
// and drops the arguments, of which some quote header lines.
type fasthttpLog struct{ log *logger }

// Printf logs the constant part of a message.
func (f fasthttpLog) Printf(format string, args ...any) {
	f.log.network.Do(func() { f.log.Debug("connection trouble", "format", format) })
}
