package redistest

import (
	"fmt"
	"os"
	"time"
)

// Clock is a store's clock that a test can move. It goes on running from where
// it was set, except on miniredis, where it stands still between moves.
type Clock interface {
	// SetClock moves the clock to the instant, forwards or backwards.
	SetClock(time.Time)
	// Advance moves the clock by d.
	Advance(d time.Duration)
	// Now is the store's own clock.
	Now() time.Time
}

// WithMovableClock starts the server with a clock that SetClock and Advance move, so
// that a test need not wait for a window, a refill or an expiry to pass. It
// needs Debian's faketime package and costs a little on every reading.
func WithMovableClock() Option {
	return func(s *Server) { s.clock = "clock" }
}

// clockEnv preloads libfaketime. libc goes with it, so that memory comes from
// libc's malloc: jemalloc asks for the time while it starts, before
// libfaketime is ready to say, and the server hangs.
func (s *Server) clockEnv() []string {
	if s.clock == "" {
		return nil
	}
	return []string{
		"LD_PRELOAD=" + faketime(s.tb) + " libc.so.6",
		"FAKETIME_TIMESTAMP_FILE=" + s.clock,
		"FAKETIME_NO_CACHE=1",
		"FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1",
	}
}

// SetClock moves the server's clock to t; it runs on from there. Only for a
// server started WithMovableClock.
func (s *Server) SetClock(t time.Time) {
	s.tb.Helper()
	if s.clock == "" {
		s.tb.Fatal("redistest: this server was not started WithMovableClock")
	}
	s.writeClock(time.Until(t))
	await(s.tb, "the clock to move", func() bool { return s.Now().Sub(t).Abs() < time.Second })
}

// Advance moves the server's clock by d, backwards where it is negative.
func (s *Server) Advance(d time.Duration) {
	s.tb.Helper()
	s.SetClock(s.Now().Add(d))
}

// Now is the server's own clock.
func (s *Server) Now() time.Time {
	s.tb.Helper()
	now, err := s.admin.Time(ctx).Result()
	if err != nil {
		s.tb.Fatalf("redistest: TIME: %v", err)
	}
	return now
}

// writeClock replaces the file that holds the clock's offset in one step: the
// server reads it all the time.
func (s *Server) writeClock(offset time.Duration) {
	s.tb.Helper()
	text := fmt.Sprintf("%+.6f\n", offset.Seconds())
	err := os.WriteFile(s.clock+".new", []byte(text), 0o600)
	if err == nil {
		err = os.Rename(s.clock+".new", s.clock)
	}
	if err != nil {
		s.tb.Fatalf("redistest: clock: %v", err)
	}
}
